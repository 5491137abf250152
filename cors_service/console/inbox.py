"""`/inbox`: origins that knocked and were refused; each is let in by a change, or not shown any more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar, Final

import htpy as h
import msgspec

from cors_service.access.callers import Caller
from cors_service.admin.decisions_file import KEPT_DAYS
from cors_service.admin.endpoint import parameters
from cors_service.console.asking import ask
from cors_service.console.ignored import Ignored, Knocker
from cors_service.console.knocks import Knocking, callers_of
from cors_service.console.page import Page, fields, see_other
from cors_service.console.parts import count, counted, instant, moment, notice, plain, post_form
from cors_service.console.parts import name as shown_name
from cors_service.insights.lines import Text
from cors_service.ledger.appending import rfc3339
from cors_service.ledger.kept import Kept
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

PATH: Final = "/inbox"
MOST_SHOWN: Final = 50
_MOST_LOOKED_AT: Final = 300
_LARGEST: Final = 16 * 1024
_WRITERS: Final = ("write", "propose")
_REASONS_SHOWN: Final = 3
_decode_who: Final = msgspec.json.Decoder(tuple[Text | None, Text | None]).decode
_MASKS: Final = {"hashed": "(hashed by --log-origins)", "site": "(only its site is logged)"}


class InboxPage(Page):
    """The page."""

    section = PATH
    verbs: ClassVar = {"GET": ("read",), "POST": _WRITERS}

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """List who knocked."""
        shows_ignored = "ignored" in parameters(request, "ignored")
        wanted = {} if caller.policies is None else {"wanted": lambda name: name is not None and caller.may_touch(name)}

        async def make() -> Answer:
            knocks = await self.console.decisions.look(lambda file: file.knocks(_MOST_LOOKED_AT, **wanted))
            found = await ask(
                self.desk,
                lambda kept: callers_of(
                    knocks, self.console.visible.to(caller, kept), self.console.ignored, MOST_SHOWN
                ),
            )
            may_write = not caller.verbs.isdisjoint(_WRITERS)
            return self.draw(
                request,
                "Inbox",
                h.p[f"Pages that asked for something in the last {KEPT_DAYS} days and may not have it."],
                draw_knocking(found, may_write=may_write),
                self._draw_ignored(caller, may_write=may_write, is_open=shows_ignored),
            )

        return self.later(make)

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Show an origin no longer, or again."""
        given = fields(request, _LARGEST)
        policy, origin = _read_who(given.get("who", ""))
        if caller.policies is not None and (policy is None or not caller.may_touch(policy)):
            raise Problem(403, "forbidden", "This caller may not change this policy.")
        one = Ignored(policy=policy, origin=origin, by=caller.name, at=rfc3339(self.desk.clock.seconds()))
        is_shown = given.get("do") == "show"

        def write(_: Kept) -> None:
            try:
                self.console.ignored.remove(one.key) if is_shown else self.console.ignored.add(one)
            except OSError as error:
                raise Problem(503, "data-unavailable", f"That can't be kept: {error.strerror}.") from None

        async def make() -> Answer:
            await ask(self.desk, write)
            return see_other(f"{PATH}?ignored=1" if is_shown else PATH)

        return self.later(make)

    def _draw_ignored(self, caller: Caller, *, may_write: bool, is_open: bool) -> h.Node:
        known = [
            one
            for one in self.console.ignored.all()
            if caller.policies is None or (one.policy is not None and caller.may_touch(one.policy))
        ]
        if not known:
            return None
        return h.details(open=is_open)[
            h.summary[f"{counted(len(known), 'origin')} ignored"],
            h.ul(".ignored")[
                (
                    h.li[
                        _who(one.origin, "full"),
                        " at ",
                        _policy(one.policy),
                        ", by ",
                        shown_name(one.by),
                        ", ",
                        instant(one.at),
                        may_write and _button(one.key, "show", "Show it again"),
                    ]
                    for one in known[:MOST_SHOWN]
                )
            ],
        ]


def draw_knocking(found: Sequence[Knocking], *, may_write: bool) -> h.Node:
    """Draw who knocked.

    Args:
        found: Those who did.
        may_write: Whether somebody may let them in.
    """
    if not found:
        return notice("good", "Nobody is refused, except those that are ignored.")
    return h.ol(".knocks")[(_knocking(one, may_write=may_write) for one in found)]


def _knocking(one: Knocking, *, may_write: bool) -> h.Node:
    knock = one.knock
    return h.li(".knock")[
        h.h2[_who(knock.origin, knock.origins), " at ", _policy(knock.policy)],
        h.p[
            f"Refused {count(knock.count)} {'time' if knock.count == 1 else 'times'} since ",
            moment(knock.first),
            ", last ",
            instant(knock.last),
            ": ",
            ", ".join(
                f"{plain(method, 40)} {plain(reason, 40)}".strip() for reason, method in knock.reasons[:_REASONS_SHOWN]
            ),
            ".",
        ],
        h.p[f"Likely owner: {plain(one.owner)}."],
        h.div(".buttons")[
            one.question is not None and _letting(one, may_write=may_write),
            may_write and _button((knock.policy, knock.origin), "ignore", "Ignore"),
        ],
    ]


def _letting(one: Knocking, *, may_write: bool) -> h.Node:
    question = one.question
    assert question is not None
    if one.is_open or not may_write:
        return h.a(".button", href=question.link("/playground"))["Why is it refused?"]
    times = "once" if one.knock.count == 1 else f"{one.knock.count:,} times"
    reason = f"Let {plain(question.page)} in: it was refused {times}"
    return h.a(".button", href=question.link("/change", mend="1", reason=reason))["Let it in"]


def _who(origin: str | None, form: str) -> h.Node:
    if origin is None:
        return "A request without Origin"
    return [shown_name(origin), form in _MASKS and f" {_MASKS[form]}"]


def _policy(policy: str | None) -> h.Node:
    return "no policy" if policy is None else shown_name(policy)


def _button(who: Knocker, do: str, words: str) -> h.Node:
    return post_form(
        PATH,
        h.input(type="hidden", name="who", value=json.dumps(who)),
        h.button(".quiet", type="submit", name="do", value=do)[words],
    )


def _read_who(text: str) -> Knocker:
    """Read what a button is about.

    Raises:
        Problem: It can't be read.
    """
    try:
        return _decode_who(text)
    except ValueError:
        raise Problem(400, "form-malformed", "The form does not say which origin is meant.") from None
