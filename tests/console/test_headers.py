"""What every page says to the browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.admin.trees import access
from tests.console.visits import ConsoleOffice, Read
from tests.web.traversal import Answer

PAGES = ("/", "/sign-in", "/sign-in?next=/", "/?of=never")


def check(answer: Answer) -> None:
    """Fail unless an answer has all that keeps others out of a page."""
    assert answer.header("Content-Security-Policy") == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert answer.header("Cross-Origin-Opener-Policy") == "same-origin"
    assert answer.header("Cross-Origin-Resource-Policy") == "same-origin"
    assert answer.header("Referrer-Policy") == "same-origin"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_every_page(tmp_path: Path, path: str) -> None:
    """Every page, signed in or out, good or bad, has them all, and neither script nor style of its own."""
    office = ConsoleOffice(tmp_path, access(olga={"verbs": ["read"]}))
    for visitor in (office.visitor(), office.visitor("olga")):
        answer = visitor.visit(path)
        check(answer)
        read = Read(answer)
        assert [found for tag, found in read.elements if tag == "style" or "style" in found] == []
        assert [found for tag, found in read.elements if tag == "script" and "src" not in found] == []
        assert [key for _, found in read.elements for key in found if key.startswith("on")] == []


def test_methods(tmp_path: Path) -> None:
    """A method that a page does not have is refused as a page."""
    office = ConsoleOffice(tmp_path)
    answer = office.visitor().submit("/", {})
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")
    check(answer)


def test_nowhere(tmp_path: Path) -> None:
    """Where nothing is, people get a page and programs a problem."""
    office = ConsoleOffice(tmp_path)
    for path in ("/nowhere", "/history/nowhere", "/policies/shop/more"):
        page = office.visitor().visit(path, Accept="text/html")
        assert page.status == 404
        assert "There is nothing at this path." in Read(page).text
        assert office.visitor().visit(path).problem == (404, "not-found")


def test_other_names(tmp_path: Path) -> None:
    """A page that has its own name resolved to this process reads nothing (DNS rebinding)."""
    from cors_service.web.hosts import Hosts

    office = ConsoleOffice(tmp_path)
    office.tree.restrict_to(Hosts())
    assert office.visitor().visit("/", Host="page.example").status == 421
    assert office.visitor().visit("/static/icon.svg").status == 404


def test_the_api_takes_no_session(tmp_path: Path) -> None:
    """The session of a page is nothing to the API, which knows tokens and certificates."""
    office = ConsoleOffice(tmp_path, access(olga={"verbs": ["read"]}))
    assert office.visitor("olga").visit("/admin/v1/status").status == 401
