"""`/admin/v1/proposals`: changes that wait for a second person, who approves or removes them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, Final

from msgspec import structs
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from cors_service.access.callers import Caller
from cors_service.admin.basis import basis_of
from cors_service.admin.conditions import seconds_to_wait
from cors_service.admin.definitions import used_by_others
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import AdminEndpoint, DetailedProblem, flag, parameters, request_id
from cors_service.admin.making import Order, carry_out, since
from cors_service.admin.proposals import Proposal
from cors_service.algebra import Comparison
from cors_service.ledger.entry import Key
from cors_service.ledger.kept import Kept
from cors_service.policy import PolicySet
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.endpoint import NotFound
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.wire.json_text import write_json

SOMETHING_ELSE: Final = "This may let through something else now than when it was proposed: propose it again."


class ProposalsEndpoint(AdminEndpoint):
    """All proposals."""

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Give them, the oldest first."""
        parameters(request)

        def read(kept: Kept) -> bytes:
            return write_json({"proposals": [as_dict(one, kept) for one in seen_by(caller, self.desk, kept)]})

        async def answer() -> Answer:
            return Answer(200, JSON, await self.desk.changes.ask(read), {"Cache-Control": NO_STORE})

        return self.later(answer)

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """One of them by its name, or what is done with it."""
        name = path.decode("ascii", "replace")
        if list(request.postpath) == [b"approve"]:
            request.prepath.append(request.postpath.pop(0))
            return ApproveEndpoint(self.desk, name)
        return NotFound(self.ids) if request.postpath or not path else ProposalEndpoint(self.desk, name)


class ProposalEndpoint(AdminEndpoint):
    """One proposal."""

    verbs: ClassVar = {"GET": ("read",), "DELETE": ("approve", "propose", "write")}

    def __init__(self, desk: Desk, name: str) -> None:
        super().__init__(desk)
        self._name = name

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Answer:
        """Give it."""
        parameters(request)
        proposal = found(self.desk, self._name, caller)
        return Answer(200, JSON, write_json(as_dict(proposal, self.desk.changes.kept)), {"Cache-Control": NO_STORE})

    def answer_DELETE(self, request: AnyRequest, caller: Caller) -> Later:
        """Remove it: whoever made it may, and who could approve it."""
        parameters(request)

        async def remove() -> Answer:
            await remove_proposal(self.desk, self._name, caller)
            return Answer(204, "", b"", {"Cache-Control": NO_STORE}, is_measured=False)

        return self.later(remove)


class ApproveEndpoint(AdminEndpoint):
    """The approval of a proposal, which makes it a change."""

    verbs: ClassVar = {"POST": ("approve",)}

    def __init__(self, desk: Desk, name: str) -> None:
        super().__init__(desk)
        self._name = name

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Make the change, if what it changes is still as it was."""
        given = parameters(request, "dry_run")
        proposal = found(self.desk, self._name, caller)
        check_approver(self.desk, proposal, caller)
        order = approval(self.desk, proposal, caller, request_id(request), is_dry=flag(given, "dry_run"))
        order.wait = seconds_to_wait(request)

        return self.later(lambda: carry_out(self.desk, order))


def approval(desk: Desk, proposal: Proposal, caller: Caller, request_id: str, *, is_dry: bool = False) -> Order:
    """Give the order that makes a change of a proposal.

    Args:
        desk: What resources share.
        proposal: The proposal; it can't be carried out any more where something that it changes was changed since.
        caller: Who approves it.
        request_id: Names the request.
        is_dry: Whether only to say what would be.
    """

    def refuse(kept: Kept, detail: str) -> None:
        members = {"current": None, **since(desk, kept, proposal.base, caller)}
        raise DetailedProblem(412, "outdated", detail, members)

    def check(kept: Kept) -> None:
        if is_outdated(proposal, kept):
            refuse(kept, "The policies have changed since this was proposed: propose it again.")

    def review(kept: Kept, after: PolicySet, comparison: Comparison) -> None:
        # It may have been removed while this waited.
        found(desk, proposal.id, caller)
        if may_do_something_else(proposal, kept, after, comparison):
            refuse(kept, SOMETHING_ELSE)

    return Order(
        caller=caller,
        request_id=request_id,
        reason=proposal.reason,
        edits=lambda _: proposal.edits,
        condition=check,
        place=lambda _: None,
        is_dry=is_dry,
        approved=proposal,
        review=review,
    )


def found(desk: Desk, name: str, caller: Caller) -> Proposal:
    """Find a proposal.

    Raises:
        Problem: There is none, or the caller may not see it.
    """
    proposal = desk.proposals.get(name)
    if proposal is None or not may_see(caller, proposal, used_by_others(desk.changes.kept, caller)):
        raise Problem(404, "unknown-proposal", "This proposal does not exist, or no longer exists.")
    return proposal


async def remove_proposal(desk: Desk, name: str, caller: Caller) -> None:
    """Remove a proposal, unless an approval makes the change first.

    Raises:
        Problem: There is none, or no longer; or the caller may not remove it.
    """

    def remove(_: Kept) -> None:
        proposal = found(desk, name, caller)
        if proposal.author != caller.name and "approve" not in caller.verbs:
            raise Problem(403, "forbidden", "Only its author, or somebody who may approve it, can remove a proposal.")
        desk.proposals.remove(proposal.id)

    # Waits for a change that is being made: it may be this one.
    await desk.changes.ask(remove)


def is_own(desk: Desk, proposal: Proposal, caller: Caller) -> bool:
    """Whether a proposal is the caller's own, so that somebody else has to approve it."""
    return proposal.author == caller.name and desk.access is not None


def check_approver(desk: Desk, proposal: Proposal, caller: Caller) -> None:
    """Refuse that somebody approves what they have proposed.

    Raises:
        Problem: It is their own.
    """
    if is_own(desk, proposal, caller):
        raise Problem(403, "own-proposal", "This proposal is your own: somebody else must approve it.")


def is_outdated(proposal: Proposal, kept: Kept) -> bool:
    """Whether something that a proposal changes is not what it was."""
    return any(kept.digests.get(one.key) != one.before for one in proposal.changes)


def may_do_something_else(proposal: Proposal, kept: Kept, after: PolicySet, comparison: Comparison) -> bool:
    """Whether a proposal may let through or keep back something else than when it was made.

    What it changes may be as it was, and yet a set that it uses is not, or another policy uses a set that it changes.

    Args:
        proposal: The proposal.
        kept: What is there.
        after: The policies that it would lead to now.
        comparison: What it would let through and keep back now.
    """
    told: set[tuple[str, ...]] = {(one.direction, one.policy, one.what, one.sentence) for one in comparison.differences}
    told |= {(one.policy, one.sentence) for one in comparison.unknown}
    # The sentences leave out much: see `Basis`.
    return proposal.told != told or proposal.basis != basis_of(kept, proposal.edits, after, comparison)


def as_dict(proposal: Proposal, kept: Kept) -> dict[str, Any]:
    """Give a proposal as JSON types."""
    edits = [{"kind": edit.key.kind, "name": edit.key.name, "document": edit.body} for edit in proposal.edits]
    outdated = proposal.basis is None or not proposal.basis.holds(kept)
    told = {**structs.asdict(proposal), "edits": edits, "outdated": outdated}
    # Who sees it may see all these policies, or any; digests are of no use to anybody.
    del told["reaches"], told["basis"]
    return told


def seen_by(caller: Caller, desk: Desk, kept: Kept) -> list[Proposal]:
    """Give the proposals that a caller may see, the oldest first; blocks."""
    of_others = used_by_others(kept, caller)
    return [one for one in desk.proposals.all() if may_see(caller, one, of_others)]


def may_see(caller: Caller, proposal: Proposal, of_others: AbstractSet[Key]) -> bool:
    """Whether all policies that a proposal reaches are the caller's own.

    Args:
        caller: The caller.
        proposal: The proposal.
        of_others: The sets that other policies use.
    """
    if caller.policies is None:
        return True
    if proposal.reaches is None:
        return False
    return all(map(caller.may_touch, proposal.reaches)) and of_others.isdisjoint(one.key for one in proposal.changes)
