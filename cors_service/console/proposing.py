"""`/change/proposals/ID`: a change that waits for a second person, who approves it, or removes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import htpy as h

from cors_service.access.callers import Caller
from cors_service.admin.approving import (
    SOMETHING_ELSE,
    approval,
    check_approver,
    found,
    is_outdated,
    is_own,
    may_do_something_else,
    remove_proposal,
)
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import parameters, request_id
from cors_service.admin.making import make_change
from cors_service.admin.proposals import Proposal
from cors_service.console.asking import ask
from cors_service.console.checking import Checked
from cors_service.console.comparing import draw_comparison
from cors_service.console.console import Console
from cors_service.console.drawing import patch_lines
from cors_service.console.findings import changes_in_words, draw_failures
from cors_service.console.page import Page, fields, see_other
from cors_service.console.parts import instant, notice, plain, post_form
from cors_service.console.parts import name as shown_name
from cors_service.console.sheet import sheet_of
from cors_service.explain.patch import patch_of
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.kept import Kept
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

PATH: Final = "/change/proposals"

_LARGEST: Final = 4096
_MOST_SHOWN: Final = 50
_LONGEST_REASON: Final = 1000
_LONGEST_SENTENCE: Final = 600
_LONGEST_PATCH: Final = 64 * 1024


class ProposalPage(Page):
    """The page of a proposal."""

    section = "/change"
    verbs: ClassVar = {"GET": ("read",), "POST": ("approve", "propose", "write")}

    def __init__(self, console: Console, name: str) -> None:
        """Make one.

        Args:
            console: What it has in common with the others.
            name: The name of the proposal.
        """
        super().__init__(console)
        self._name = name

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Draw what it would do now."""
        parameters(request)
        proposal = found(self.desk, self._name, caller)

        async def make() -> Answer:
            return await self._drawn(request, caller, proposal)

        return self.later(make)

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Approve it, or remove it."""
        proposal = found(self.desk, self._name, caller)
        do = fields(request, _LARGEST).get("do")
        if do == "remove":
            return self.later(lambda: self._removed(caller))
        if do != "approve" or "approve" not in caller.verbs:
            raise Problem(403, "forbidden", "To approve a proposal, you need the verb approve.")
        check_approver(self.desk, proposal, caller)
        order = approval(self.desk, proposal, caller, request_id(request))

        async def make() -> Answer:
            try:
                made = await make_change(self.desk, order)
            except Problem as problem:
                answer = await self._drawn(request, caller, proposal, problem)
                answer.status = problem.status
                return answer
            # What somebody else did meanwhile may have left nothing to change.
            return see_other("/change" if made.signed is None else f"/change/{made.signed.entry.seq}")

        return self.later(make)

    async def _removed(self, caller: Caller) -> Answer:
        await remove_proposal(self.desk, self._name, caller)
        return see_other("/change")

    async def _drawn(
        self, request: AnyRequest, caller: Caller, proposal: Proposal, problem: Problem | None = None
    ) -> Answer:
        try:
            checked = await ask(self.desk, lambda kept: self._checked(kept, caller, proposal))
        except Problem as found_now:
            checked, problem = None, problem or found_now
        patch = await ask(self.desk, lambda kept: _patch(self.desk, kept, proposal))
        return self.draw(
            request,
            "A proposed change",
            problem is not None and notice("bad", problem.detail, role="alert"),
            _about(proposal),
            draw_deciding(self.desk, caller, proposal),
            h.h2["The document"],
            patch_lines(patch),
            _told(proposal)
            if checked is None
            else [draw_failures(checked.failures), draw_comparison(checked.comparison)],
        )

    def _checked(self, kept: Kept, caller: Caller, proposal: Proposal) -> Checked:
        """Say what it would do now; blocks.

        Raises:
            Problem: It can't be done any more.
        """
        if is_outdated(proposal, kept):
            raise Problem(412, "outdated", "The policies have changed since this was proposed: propose it again.")
        try:
            checked = self.console.checks.edited(self.desk.changes.store, kept, caller, proposal.edits)
        except InvalidPolicies as invalid:
            detail = f"The policies would have mistakes now: {invalid.mistakes[0]}"
            raise Problem(422, "invalid-policies", detail) from None
        if may_do_something_else(proposal, kept, checked.after, checked.comparison):
            raise Problem(412, "outdated", SOMETHING_ELSE)
        return checked


def draw_waiting(waiting: Sequence[Proposal]) -> h.Node:
    """Draw the proposals that wait."""
    if not waiting:
        return None
    return h.section(aria_labelledby="waiting-title")[
        h.h2("#waiting-title")["Waiting for a second person"],
        h.ul(".proposals")[
            (
                h.li[
                    h.a(href=f"{PATH}/{one.id}")[plain(one.reason, _LONGEST_REASON) or "Without a reason"],
                    " by ",
                    shown_name(one.author),
                    ", ",
                    instant(one.at),
                ]
                for one in waiting[:_MOST_SHOWN]
            )
        ],
        len(waiting) > _MOST_SHOWN and h.p[f"And {len(waiting) - _MOST_SHOWN:,} more."],
    ]


def draw_deciding(desk: Desk, caller: Caller, proposal: Proposal) -> h.Node:
    """Draw the buttons that somebody may press."""
    own = is_own(desk, proposal, caller)
    may_approve = "approve" in caller.verbs
    return h.div(".deciding")[
        own and notice("plain", "This proposal is your own: somebody else must approve it."),
        not own and not may_approve and notice("plain", "To approve it, you need the verb approve."),
        may_approve
        and not own
        and post_form(
            f"{PATH}/{proposal.id}",
            h.button(type="submit", name="do", value="approve")["Approve and publish"],
        ),
        (may_approve or proposal.author == caller.name)
        and post_form(
            f"{PATH}/{proposal.id}",
            h.button(".quiet", type="submit", name="do", value="remove")["Remove the proposal"],
        ),
    ]


def _about(proposal: Proposal) -> h.Node:
    return [
        h.p("#proposed")[
            "Proposed by ",
            shown_name(proposal.author),
            ", ",
            instant(proposal.at),
            ": ",
            h.q[plain(proposal.reason, _LONGEST_REASON)],
        ],
        h.p[f"It would change {changes_in_words(proposal.changes)}."],
    ]


def _told(proposal: Proposal) -> h.Node:
    """What it would have done when it was proposed."""
    sentences: Sequence[Any] = proposal.differences
    return h.section(aria_labelledby="told-title")[
        h.h2("#told-title")["What it would have done when it was proposed"],
        h.ul[
            (
                h.li[
                    h.strong[str(one.get("direction", ""))],
                    f" {plain(str(one.get('policy')))}: {plain(str(one.get('sentence')), _LONGEST_SENTENCE)}",
                ]
                for one in sentences[:_MOST_SHOWN]
            )
        ],
    ]


def _patch(desk: Desk, kept: Kept, proposal: Proposal) -> str:
    keys = [edit.key for edit in proposal.edits]
    before = sheet_of(desk.changes.store.bodies(key for key in keys if key in kept.digests))
    after = sheet_of({edit.key: edit.body for edit in proposal.edits if edit.body is not None})
    patch = patch_of("the document", before, after)
    return patch if len(patch) <= _LONGEST_PATCH else f"{patch[:_LONGEST_PATCH]}\n..."
