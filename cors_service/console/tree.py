"""Mounts the pages beside the API."""

from __future__ import annotations

from typing import Final

from twisted.application.service import Service

from cors_service.admin.tree import AdminTree
from cors_service.console.assets import SEGMENT, AssetsEndpoint
from cors_service.console.changing import ChangePage
from cors_service.console.console import Console, Section
from cors_service.console.history import HistoryPage
from cors_service.console.inbox import InboxPage
from cors_service.console.live import EventsEndpoint, Live
from cors_service.console.overview import OverviewPage
from cors_service.console.page import NowherePage
from cors_service.console.playing import PlaygroundPage
from cors_service.console.policies import PoliciesPage
from cors_service.console.signing_in import SignInPage, SignOutPage

SECTIONS: Final = (
    Section("Overview", "/"),
    Section("Playground", "/playground"),
    Section("Policies", "/policies"),
    Section("Change", "/change"),
    Section("Inbox", "/inbox"),
    Section("History", "/history"),
)


def mount_console(tree: AdminTree, console: Console) -> Service:
    """Mount all pages.

    Args:
        tree: That of the admin process.
        console: What pages share.

    Returns:
        A service that tells open pages what has changed.
    """
    console.sections = SECTIONS
    live = Live(console)
    tree.nowhere = NowherePage(console)
    tree.putChild(SEGMENT.encode("ascii"), AssetsEndpoint(console.desk))
    tree.putChild(b"", OverviewPage(console))
    tree.putChild(b"policies", PoliciesPage(console))
    tree.putChild(b"history", HistoryPage(console))
    tree.putChild(b"events", EventsEndpoint(console, live))
    tree.putChild(b"playground", PlaygroundPage(console))
    tree.putChild(b"change", ChangePage(console))
    tree.putChild(b"inbox", InboxPage(console))
    tree.putChild(b"sign-in", SignInPage(console))
    tree.putChild(b"sign-out", SignOutPage(console))
    return live
