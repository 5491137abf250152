"""OWASP's ten most critical risks of web applications (2025), each with what the console does about it.

https://owasp.org/Top10/2025/
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from twisted.logger import LogEvent

from cors_service.console.overview import OverviewPage
from cors_service.console.tree import SECTIONS
from tests.admin.trees import WIDER, access
from tests.console.test_headers import check
from tests.console.visits import HOST, ConsoleOffice, Read, Visitor

PEOPLE: dict[str, Any] = {
    "olga": {"verbs": ["read", "write"]},
    "reader": {"verbs": ["read"]},
    "team": {"verbs": ["read", "write"], "policies": ["sh"]},
    "replica": {"verbs": ["report"]},
}
PAGES = (
    *(section.path for section in SECTIONS),
    "/?of=24h",
    "/policies/shop",
    "/history/1",
    "/history/compare",
    "/change/1",
    "/change?policy=shop",
)
WRITES = {
    "/history/rollback": {"from": "1", "to": "1", "reason": "why"},
    "/change": {"do": "publish", "text": "version = 1", "reason": "why"},
    "/change/check": {"text": "version = 1"},
    "/inbox": {"ignore": "https://evil.example"},
    "/change/proposals/0123456789abcdef": {"do": "approve"},
}


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process that knows its people."""
    return ConsoleOffice(tmp_path, access(**PEOPLE))


class TestA01BrokenAccessControl:
    """Nobody sees or does what they may not, and no page of another site does it for them."""

    @pytest.mark.parametrize("path", PAGES)
    def test_signed_out(self, office: ConsoleOffice, path: str) -> None:
        """Without a session every page leads to the sign-in, and shows nothing."""
        answer = office.visitor().visit(path)
        assert (answer.status, answer.body) == (303, b"")
        assert str(answer.header("Location")).startswith("/sign-in?next=/")

    @pytest.mark.parametrize(("path", "fields"), WRITES.items(), ids=WRITES)
    def test_without_the_verb(self, office: ConsoleOffice, path: str, fields: dict[str, str]) -> None:
        """Whoever may only read changes nothing, and whoever may only report does not even read."""
        assert office.visitor("reader").submit(path, fields).status == 403
        assert office.visitor("replica").submit(path, fields).status == 403
        assert office.visitor("replica").visit("/policies").status == 403
        assert office.desk.changes.kept.head.seq == 1

    @pytest.mark.parametrize(("path", "fields"), WRITES.items(), ids=WRITES)
    def test_forged(self, office: ConsoleOffice, path: str, fields: dict[str, str]) -> None:
        """A form of another site is refused, although the browser sent the session with it (CSRF)."""
        visitor = office.visitor("olga")
        for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
            answer = visitor.submit(path, fields, **headers)
            assert answer.status == 403
            assert "A page of another origin sent this request." in Read(answer).text

    def test_of_others(self, office: ConsoleOffice) -> None:
        """Whoever may touch some policies alone neither sees others, nor changes them by a way round."""
        visitor = office.visitor("team")
        assert visitor.visit("/policies/pay").status == 403
        for path in ("/policies", "/change", "/inbox", "/"):
            assert "pay" not in Read(visitor.visit(path)).text.split()

    def test_no_request_of_its_own(self, office: ConsoleOffice) -> None:
        """The playground asks no URL that somebody types (SSRF)."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0)
            url = f"http://127.0.0.1:{server.getsockname()[1]}/"
            path = f"/playground?page={quote('https://shop.example.com')}&url={quote(url)}"
            assert office.visitor("olga").visit(path).status in {200, 400}
            with pytest.raises(BlockingIOError):
                server.accept()


class TestA02SecurityMisconfiguration:
    """What is safe needs no setting."""

    @pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/policies/none", "/history/none", "/change/none", "/none"])
    def test_headers(self, office: ConsoleOffice, path: str) -> None:
        """Every page has all headers, and none says which program and version it is."""
        answer = office.visitor("olga").visit(path, Accept="text/html,*/*;q=0.8")
        check(answer)
        assert answer.header("Server") is None
        assert answer.header("X-Powered-By") is None
        assert answer.header("Access-Control-Allow-Origin") is None

    @pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "OPTIONS", "PATCH"])
    def test_methods(self, office: ConsoleOffice, method: str) -> None:
        """A page answers the methods that it has, and no others."""
        answer = office.visitor("olga").ask(method, "/", None, [("Host", "cors.test"), ("Origin", "http://cors.test")])
        assert answer.status == 405


class TestA03SoftwareSupplyChainFailures:
    """Nothing is loaded from elsewhere; `test_assets.py` holds what others wrote against what they published."""

    @pytest.mark.parametrize("path", PAGES)
    def test_nothing_from_elsewhere(self, office: ConsoleOffice, path: str) -> None:
        """Whatever a page loads is a file of this process, with its hash in its name."""
        page = Read(office.visitor("olga").visit(path))
        loaded = [*page.all("script", "src"), *page.all("link", "href"), *page.all("img", "src")]
        assert loaded
        assert all(re.fullmatch(r"/static/[\w.]+\.[0-9a-f]{16}\.(js|css|svg)", url) for url in loaded)


class TestA04CryptographicFailures:
    """Secrets are long, and kept nowhere."""

    def test_secrets(self, office: ConsoleOffice) -> None:
        """A session has a secret of 256 bits; no file has it, and none has a token."""
        visitor = office.visitor("olga")
        visitor.sign_in("a-token-that-nobody-has")
        [secret] = visitor.cookies.values()
        assert re.fullmatch("[A-Za-z0-9_-]{43}", secret)
        kept = b"".join(path.read_bytes() for path in office.data.rglob("*") if path.is_file())
        assert secret.encode("ascii") not in kept
        assert b"a-token-that-nobody-has" not in kept

    def test_pages(self, office: ConsoleOffice) -> None:
        """No page, and no address that it leads to, has the secret or the token."""
        visitor = Visitor(office)
        answers = [visitor.sign_in("olga", next="/policies"), *map(visitor.visit, PAGES)]
        [secret] = visitor.cookies.values()
        for answer in answers:
            told = [value for name, value in answer.lines if name.lower() != "set-cookie"]
            assert secret not in f"{told}{answer.body.decode('utf-8')}"


class TestA05Injection:
    """What somebody types is data, whatever it looks like."""

    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "'\"><img src=x onerror=alert(1)>",
            "{{7*7}}${7*7}<%= 7*7 %>",
            "' OR 1=1; DROP TABLE kind; --",
            "a\r\nSet-Cookie: evil=1",
            "javascript:alert(1)",
            "\u202e\u0000\U0001f600",
        ],
    )
    def test_everywhere(self, office: ConsoleOffice, text: str) -> None:
        """It is shown as a text, reaches no header, and is part of no statement."""
        visitor, typed = office.visitor("olga"), quote(text)
        paths = [
            f"/policies?q={typed}",
            f"/policies/{typed}",
            f"/sign-in?next={typed}",
            f"/playground?page={typed}&url={typed}",
            f"/change?policy={typed}",
            f"/?of={typed}",
        ]
        for path in paths:
            answer = visitor.visit(path)
            assert answer.status < 500
            assert answer.header("Set-Cookie") is None
            page = Read(answer)
            assert [one for one in page.all("script", "src") if not one.startswith("/static/")] == []
            assert page.all("img", "src") == []
            assert [key for _, found in page.elements for key in found if key.startswith("on")] == []
            assert [url for url in page.all("a", "href") if not url.startswith(("/", "#"))] == []
        assert visitor.visit("/").status == 200


class TestA06InsecureDesign:
    """What can be repeated has a limit; `test_signing_in.py` and `test_overview.py` have more of them."""

    def test_large_forms(self, office: ConsoleOffice) -> None:
        """Nobody who is not signed in has much of theirs kept or sent back."""
        answer = office.visitor().submit("/change", {"text": "x" * 3_000_000})
        assert answer.status == 413
        assert len(answer.body) < 10_000
        assert office.visitor().sign_in("x" * 10_000_000).status == 413

    @pytest.mark.parametrize(
        "kinds", [["text/plain"], ["application/json"], [], ["application/x-www-form-urlencoded"] * 2]
    )
    def test_other_bodies(self, office: ConsoleOffice, kinds: list[str]) -> None:
        """What is not a form is not read."""
        lines = [("Host", HOST), ("Sec-Fetch-Site", "same-origin"), *(("Content-Type", kind) for kind in kinds)]
        assert office.visitor().ask("POST", "/sign-in", b"token=olga", lines).status == 415

    def test_many_fields(self, office: ConsoleOffice) -> None:
        """A form of very many fields is not read."""
        assert office.visitor().submit("/sign-in", {f"field-{number}": "" for number in range(1000)}).status == 400


class TestA07AuthenticationFailures:
    """Who is signed in has shown a token; `test_signing_in.py` has the rest."""

    def test_fixation(self, office: ConsoleOffice) -> None:
        """A secret that somebody else chose opens nothing, and is not taken over."""
        visitor = Visitor(office)
        visitor.cookies = {"cors-session": "chosen"}
        assert visitor.visit("/").status == 303
        visitor.sign_in("olga")
        assert visitor.cookies["cors-session"] != "chosen"
        first = visitor.cookies["cors-session"]
        visitor.sign_in("olga")
        assert visitor.cookies["cors-session"] != first

    @pytest.mark.parametrize("token", ["", " ", "Olga", "olga\x00", "ölga"])
    def test_nearly(self, office: ConsoleOffice, token: str) -> None:
        """What is nearly a token is none, and the answer does not say how near it was."""
        answer = office.visitor().sign_in(token)
        assert answer.status == 401
        assert answer.body == office.visitor().sign_in("nothing").body


class TestA08SoftwareOrDataIntegrityFailures:
    """What is kept is not believed blindly."""

    @pytest.mark.parametrize("text", ["", "{", "[1]", '[{"secret": 1}]', "\x00\xff"])
    def test_sessions(self, office: ConsoleOffice, tmp_path: Path, text: str) -> None:
        """A file of sessions that is damaged signs nobody in, and everybody can sign in again."""
        visitor = office.visitor("olga")
        (office.data / "sessions.json").write_text(text, encoding="latin-1")
        again = ConsoleOffice(tmp_path, access(**PEOPLE))
        later = again.visitor()
        later.cookies = visitor.cookies
        assert later.visit("/").status == 303
        assert again.visitor("olga").visit("/").status == 200


class TestA09SecurityLoggingAndAlertingFailures:
    """Who did what, and who tried, is written down."""

    def test_audit(self, office: ConsoleOffice) -> None:
        """The audit log has who signed in, who changed what and who might not; the ledger has who changed what, too."""
        kept, office.desk.access = office.desk.access, None
        assert office.caller().put("policies/shop", WIDER).status == 200
        office.desk.access = kept
        begun = len(office.audited)
        olga, reader = office.visitor("olga"), office.visitor("reader")
        back = {"from": "2", "to": "1", "reason": "back"}
        assert reader.submit("/history/rollback", back).status == 403
        assert olga.submit("/history/rollback", back, Origin="https://evil.example").status == 403
        assert olga.submit("/history/rollback", back).status == 303
        told = [(line["caller"], line["path"], line["status"], line["code"]) for line in office.audited[begun:]]
        assert told == [
            ("olga", "/sign-in", 303, None),
            ("reader", "/sign-in", 303, None),
            ("reader", "/history/rollback", 403, "forbidden"),
            (None, "/history/rollback", 403, "cross-site"),
            ("olga", "/history/rollback", 303, None),
        ]
        [entry] = office.desk.changes.store.entries(2, 1)
        assert entry.entry.author == "olga"


class TestA10MishandlingOfExceptionalConditions:
    """A fault is no way in, and says nothing of the inside."""

    def test_a_fault(
        self, office: ConsoleOffice, monkeypatch: pytest.MonkeyPatch, nothing_left_behind: list[LogEvent]
    ) -> None:
        """An error that nobody expected is a page without details; the log has them."""
        visitor = office.visitor("olga")

        def fail(*arguments: object) -> None:
            raise LookupError("the inside")

        monkeypatch.setattr(OverviewPage, "answer_GET", fail)
        answer = visitor.visit("/")
        assert answer.status == 500
        check(answer)
        assert b"the inside" not in answer.body
        assert b"Traceback" not in answer.body
        assert "the service's log has the details" in Read(answer).text
        assert len(nothing_left_behind) == 1
        nothing_left_behind.clear()
        assert Visitor(office).visit("/").status == 303
