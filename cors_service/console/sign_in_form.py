"""Where a token is shown, or shown again."""

from __future__ import annotations

from typing import Final

import htpy as h

from cors_service.console.parts import notice, post_form

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
_ENDED: Final = "Your session has ended. What you typed is kept: sign in, and it is there again."


def sign_in_form(then: str, kept: str, *, wrong: bool) -> h.Fragment:
    """Ask for a token.

    Args:
        then: Where to go after it, a path of this process.
        kept: The form that somebody sent after the end of a session, as its body; empty for none.
        wrong: Whether a token was shown that nobody has.
    """
    return h.fragment[
        wrong and notice("bad", "Nobody has this token.", role="alert"),
        bool(kept) and notice("warn", _ENDED),
        post_form(
            SIGN_IN,
            h.input(type="hidden", name="next", value=then),
            bool(kept) and h.input(type="hidden", name="kept", value=kept),
            h.label(for_="token")["Token"],
            h.input(
                "#token", type="password", name="token", required=True, autocomplete="current-password", autofocus=True
            ),
            h.button(type="submit")["Sign in"],
        ),
        h.p(".hint")[
            "An operator makes one with ",
            h.code["cors-service token NAME --verb read --verb write"],
            ", and lists it in the file of ",
            h.code["--auth"],
            ".",
        ],
    ]
