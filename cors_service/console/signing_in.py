"""`/sign-in` and `/sign-out`: a token is exchanged for a session, and a session is ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import htpy as h

from cors_service.admin.endpoint import parameters
from cors_service.console.page import MOST_KEPT, OpenPage, fields, fields_of, own_path, see_other
from cors_service.console.parts import notice, post_form
from cors_service.console.proxies import client_address
from cors_service.console.sign_in_form import SIGN_IN
from cors_service.console.viewers import callers_of, cookie, secret_of
from cors_service.web.answer import Answer
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

_LONGEST_TOKEN: Final = 4096
_MOST: Final = 3 * MOST_KEPT + 16 * 1024
"""Bytes of a sign-in: what is kept is encoded once more."""
_MOST_ROWS: Final = 30
_UNSEEN: Final = frozenset({"before", "do", "from", "to", "who"})
"""Fields that buttons and pages fill in."""
_LABELS: Final = {"pasted": "What was pasted", "reason": "Why", "text": "The document, in TOML"}


class SignInPage(OpenPage):
    """Where a token is shown."""

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Ask for one, unless somebody is signed in."""
        then = own_path(parameters(request, "next").get("next", "/"))
        return see_other(then) if callers_of(self.console, request) else self.draw_sign_in(request, then=then)

    def answer_POST(self, request: AnyRequest) -> Answer:
        """Begin a session."""
        self.check_sender(request)
        given = fields(request, _MOST)
        then, kept = own_path(given.get("next", "/")), given.get("kept", "")
        access = self.desk.access
        if access is None:
            return see_other(then)
        address = client_address(request)
        wait = self.console.attempts.seconds_to_wait(address)
        if wait:
            self._audit(request, None, 429, "too-many-attempts")
            raise Problem(
                429,
                "too-many-attempts",
                f"Too many attempts failed: try again in {wait} s.",
                {"Retry-After": str(wait)},
            )
        token = given.get("token", "").strip().encode("utf-8")[:_LONGEST_TOKEN]
        caller = access.active.by_token(token)
        if caller is None:
            self.console.attempts.failed(address)
            self._audit(request, None, 401, "unauthorized")
            return self.draw_sign_in(request, then=then, kept=kept, wrong=True)
        # What can't be given back must not begin a session of which the browser never hears.
        typed = [*_typed(then, kept)] if kept else []
        self._audit(request, caller, 303)
        set_cookie = cookie(request, self.console.sessions.begin(token))
        if not typed:
            return see_other(then, Set_Cookie=set_cookie)
        answer = self.draw(request, "Signed in again", *typed)
        answer.headers["Set-Cookie"] = set_cookie
        return answer


class SignOutPage(OpenPage):
    """Where a session is ended."""

    def answer_POST(self, request: AnyRequest) -> Answer:
        """End it."""
        self.check_sender(request)
        known = callers_of(self.console, request)
        self.console.sessions.end(secret_of(request))
        self._audit(request, known[0] if known else None, 303)
        return see_other(SIGN_IN, Set_Cookie=cookie(request, ""))


def _typed(then: str, kept: str) -> Iterator[h.Node]:
    """Give a form back that was sent by somebody whose session had ended."""
    yield notice("good", "You are signed in. Nothing of this was sent yet.", role="status")
    yield post_form(
        then,
        [_field(name, value) for name, value in fields_of(kept).items()],
        h.button(type="submit")["Send it now"],
    )


def _field(name: str, value: str) -> h.Node:
    """Draw a field of a form that is given back; what nobody has typed comes along unseen."""
    if name in _UNSEEN:
        return h.input(type="hidden", name=name, value=value)
    rows = min(value.count("\n") + 1, _MOST_ROWS)
    return h.div(".field")[
        h.label(for_=f"typed-{name}")[_LABELS.get(name, name)],
        # The first line end after the tag is not part of the text.
        h.textarea(id=f"typed-{name}", name=name, rows=str(rows))["\n", value],
    ]
