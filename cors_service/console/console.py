"""What the pages of the console have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct, field

from cors_service.admin.desk import Desk
from cors_service.admin.insights import KeptDecisions
from cors_service.console.attempts import Attempts
from cors_service.console.changes import Recent
from cors_service.console.checking import Checks
from cors_service.console.explained import Visible
from cors_service.console.ignored import IgnoredOrigins
from cors_service.console.proxies import NO_PROXY, SignInProxy
from cors_service.console.sessions import Sessions


class Section(NamedTuple):
    """A link that every page has.

    Attributes:
        name: What people read.
        path: Where it leads.
    """

    name: str
    path: str


class Console(Struct, kw_only=True):
    """What the pages share.

    Attributes:
        desk: What they share with the API.
        decisions: Keeps what replicas report of their decisions.
        sessions: Who is signed in.
        attempts: Who tries to sign in too often.
        ignored: Origins that nobody wants to see in the inbox.
        visible: The policies that people may see, ready to decide.
        checks: Checks what people type.
        proxy: Who may say that a person is signed in.
        recent: The newest changes.
        sections: The links that every page has.
    """

    desk: Desk
    decisions: KeptDecisions
    sessions: Sessions
    attempts: Attempts
    ignored: IgnoredOrigins
    visible: Visible = field(default_factory=Visible)
    checks: Checks = field(default_factory=Checks)
    proxy: SignInProxy = NO_PROXY
    recent: Recent = field(default_factory=Recent)
    sections: Sequence[Section] = ()
