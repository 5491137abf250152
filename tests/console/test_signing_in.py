"""Who may look: a token is exchanged for a session, or a proxy says who it is."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from twisted.internet.address import IPv6Address
from twisted.web.http_headers import Headers

from cors_service.access import read_access
from cors_service.cli import main
from cors_service.console.attempts import MOST_ADDRESSES, MOST_FAILURES, WINDOW_SECONDS, Attempts
from cors_service.console.proxies import SignInProxy
from cors_service.console.sessions import IDLE_SECONDS, LONGEST_SECONDS, MOST_OF_A_TOKEN, MOST_SESSIONS, Sessions
from cors_service.web.access import FixedAccess
from tests.admin.trees import access
from tests.console.visits import HOST, ConsoleOffice, Read, Visitor

PEOPLE = {"olga": {"verbs": ["read", "write"]}, "ci": {"verbs": ["report"]}}


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process that knows its callers."""
    return ConsoleOffice(tmp_path, access(**PEOPLE))


def test_without_auth(tmp_path: Path) -> None:
    """Where nobody said who may do what, nobody signs in."""
    office = ConsoleOffice(tmp_path)
    visitor = office.visitor()
    assert visitor.visit("/").status == 200
    assert visitor.visit("/sign-in").header("Location") == "/"
    assert visitor.sign_in("whatever").header("Set-Cookie") is None


def test_sign_in(office: ConsoleOffice) -> None:
    """Whoever opens a page is asked for a token, and comes to that page when one was shown."""
    visitor = office.visitor()
    asked = visitor.visit("/?of=24h")
    assert (asked.status, asked.header("Location")) == (303, "/sign-in?next=/%3Fof%3D24h")
    form = visitor.visit(str(asked.header("Location")))
    assert Read(form).fields == {"next": "/?of=24h", "token": ""}
    assert "/policies" not in Read(form).all("a", "href")
    shown = visitor.sign_in("olga", next="/?of=24h")
    assert (shown.status, shown.header("Location")) == (303, "/?of=24h")
    page = visitor.visit("/?of=24h")
    assert page.status == 200
    assert "olga" in Read(page).text
    assert visitor.visit("/sign-in").header("Location") == "/"


def test_sign_out(office: ConsoleOffice, tmp_path: Path) -> None:
    """Behind a sign-out, the cookie is worth nothing, wherever it was copied to, and also behind a restart."""
    visitor = office.visitor("olga")
    copied = dict(visitor.cookies)
    assert visitor.submit("/sign-out", {}).header("Location") == "/sign-in"
    assert visitor.visit("/").status == 303
    visitor.cookies = copied
    assert visitor.visit("/").status == 303
    later = ConsoleOffice(tmp_path, access(**PEOPLE)).visitor()
    later.cookies = copied
    assert later.visit("/").status == 303


def test_wrong_token(office: ConsoleOffice) -> None:
    """A token that nobody has gives no session, and is not repeated."""
    visitor = office.visitor()
    answer = visitor.sign_in("guessed-token")
    assert answer.status == 401
    assert "Nobody has this token." in Read(answer).text
    assert b"guessed-token" not in answer.body
    assert visitor.cookies == {}


def test_how_to_get_a_token(office: ConsoleOffice, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that the form names makes a token whose owner sees the pages, and may change policies."""
    form = Read(office.visitor().visit("/sign-in")).text
    shown = re.search(r"cors-service (token NAME[ a-z-]*?), and lists it", form)
    assert shown
    assert main(shown[1].split()) == 0
    out, err = capsys.readouterr()
    caller = read_access(out).by_token(err.splitlines()[0].rpartition(" ")[2].encode())
    assert caller is not None
    assert caller.verbs == {"read", "write"}


def test_cookie(office: ConsoleOffice) -> None:
    """The cookie is for this host alone, hidden from scripts, and sent by no page of another site."""
    plain = str(office.visitor().sign_in("olga").header("Set-Cookie"))
    assert plain.startswith("cors-session=")
    assert plain.endswith("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict")
    secure = str(office.visitor().submit("/sign-in", {"token": "olga"}, Origin=f"https://{HOST}").header("Set-Cookie"))
    assert secure.startswith("__Host-cors-session=")
    assert secure.endswith("; Secure; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict")


def test_without_the_verb(office: ConsoleOffice) -> None:
    """Somebody who may only report sees no page."""
    answer = office.visitor("ci").visit("/")
    assert answer.status == 403
    assert "This caller lacks the verb read." in Read(answer).text


def test_a_session_is_worth_its_token(office: ConsoleOffice) -> None:
    """A session ends when its token is known no longer."""
    visitor = office.visitor("olga")
    office.desk.access = FixedAccess(access(**{**PEOPLE, "olga": {"verbs": ["report"]}}))
    assert visitor.visit("/").status == 403
    office.desk.access = FixedAccess(access(ci=PEOPLE["ci"]))
    assert visitor.visit("/").status == 303


def test_it_ends(office: ConsoleOffice) -> None:
    """A session ends when it is not used for an hour, and after twelve hours in any case."""
    idle, busy = office.visitor("olga"), office.visitor("olga")
    office.clock.advance(IDLE_SECONDS - 1)
    assert busy.visit("/").status == 200
    office.clock.advance(1)
    assert idle.visit("/").status == 303
    for _ in range(int(LONGEST_SECONDS / IDLE_SECONDS) * 2 - 3):
        office.clock.advance(IDLE_SECONDS / 2)
        assert busy.visit("/").status == 200
    office.clock.advance(IDLE_SECONDS / 2)
    assert busy.visit("/").status == 303


def test_it_outlives_the_process(office: ConsoleOffice, tmp_path: Path) -> None:
    """A session is kept in a file, which nobody else can read and which holds nothing that opens a session."""
    visitor = office.visitor("olga")
    again = ConsoleOffice(tmp_path, access(**PEOPLE))
    later = again.visitor()
    later.cookies = visitor.cookies
    assert later.visit("/").status == 200
    file = again.data / "sessions.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert visitor.cookies["cors-session"] not in file.read_text(encoding="utf-8")


def test_not_too_many(office: ConsoleOffice) -> None:
    """Of one token, and of all, there is a bounded number of sessions; the oldest ends first."""
    first = office.visitor("olga")
    for _ in range(MOST_OF_A_TOKEN):
        last = office.visitor("olga")
    assert first.visit("/").status == 303
    assert last.visit("/").status == 200
    sessions = Sessions(office.data / "others.json", office.clock)
    secrets = [sessions.begin(str(number // MOST_OF_A_TOKEN).encode("ascii")) for number in range(MOST_SESSIONS + 1)]
    assert len(sessions) == MOST_SESSIONS
    assert sessions.find(secrets[0]) is None
    assert sessions.find(secrets[-1]) is not None


def test_not_too_often(office: ConsoleOffice) -> None:
    """Behind ten failures an address has to wait a minute, also with a token that somebody has."""
    visitor = office.visitor()
    for _ in range(MOST_FAILURES):
        assert visitor.sign_in("wrong").status == 401
    answer = visitor.sign_in("olga")
    assert (answer.status, answer.header("Retry-After")) == (429, "61")
    office.clock.advance(WINDOW_SECONDS + 1)
    assert visitor.sign_in("olga").status == 303
    assert [line["code"] for line in office.audited] == ["unauthorized"] * 10 + ["too-many-attempts", None]


def test_cookie_from_elsewhere(office: ConsoleOffice) -> None:
    """Over TLS, a cookie that another host of the domain may have set stands for nobody: it may be of anybody."""
    visitor = office.visitor("olga")
    form = {"to": "1", "from": "1"}
    assert visitor.submit("/history/rollback", form).status in {400, 403}
    assert visitor.submit("/history/rollback", form, Origin=f"https://{HOST}").status == 401


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_page_by_a_cookie_from_elsewhere(office: ConsoleOffice, site: str) -> None:
    """Where a proxy ends TLS, such a cookie opens no page either, although a GET has no Origin."""
    visitor = office.visitor("olga")
    assert visitor.visit("/", Host="cors.example", Sec_Fetch_Site=site).status == 303
    visitor.cookies = {"__Host-cors-session": visitor.cookies["cors-session"]}
    assert visitor.visit("/", Host="cors.example", Sec_Fetch_Site=site).status == 200


@pytest.mark.parametrize(
    "host", ["localhost", "cors.localhost:8081", "127.0.0.1:8081", "[::1]:8081", "LOCALHOST:80", "localhost."]
)
def test_loopback_without_tls(office: ConsoleOffice, host: str) -> None:
    """To this machine, browsers send Sec-Fetch-Site without TLS, too, and a sign-in works there."""
    visitor = office.visitor()
    assert visitor.submit("/sign-in", {"token": "olga"}, Host=host, Origin=f"http://{host}").status == 303
    assert "cors-session" in visitor.cookies
    assert visitor.visit("/", Host=host).status == 200


def test_network_without_tls(office: ConsoleOffice) -> None:
    """To any other name, browsers send no Sec-Fetch-Site without TLS, and a sign-in works there, too."""
    host = "cors.example"
    visitor = office.visitor()
    sender = {"Origin": f"http://{host}", "Sec_Fetch_Site": ""}
    assert visitor.submit("/sign-in", {"token": "olga"}, Host=host, **sender).status == 303
    assert "cors-session" in visitor.cookies
    assert visitor.visit("/", Host=host, Sec_Fetch_Site="").status == 200


def test_attempts_by_address(office: ConsoleOffice) -> None:
    """Addresses wait apart, but those of one network of IPv6 together; IPv4 may be written as IPv6."""
    attempts = Attempts(office.clock)
    for place in range(MOST_FAILURES):
        attempts.failed(f"2001:db8::{place}")
    assert attempts.seconds_to_wait("2001:db8::ffff") > 0
    assert attempts.seconds_to_wait("2001:db8:0:1::1") == 0
    assert attempts.seconds_to_wait("192.0.2.1") == 0
    for _ in range(MOST_FAILURES):
        attempts.failed("::ffff:192.0.2.1")
    assert attempts.seconds_to_wait("192.0.2.1") > 0
    assert attempts.seconds_to_wait("::ffff:192.0.2.2") == 0


def test_attempts_of_very_many(office: ConsoleOffice) -> None:
    """However many addresses fail, those of a bounded number are known: the ones that failed last."""
    attempts = Attempts(office.clock)
    for _ in range(MOST_FAILURES):
        attempts.failed("192.0.2.1")
    for number in range(MOST_ADDRESSES - 1):
        attempts.failed(f"10.0.{number // 256}.{number % 256}")
    assert attempts.seconds_to_wait("192.0.2.1") > 0
    attempts.failed("192.0.2.2")
    assert attempts.seconds_to_wait("192.0.2.1") == 0


@pytest.mark.parametrize(
    "then",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "/x\r\nX: y", "/\n"],
)
def test_nowhere_else(office: ConsoleOffice, then: str) -> None:
    """A sign-in leads to a path of this process, whatever a link says."""
    visitor = office.visitor()
    assert visitor.sign_in("olga", next=then).header("Location") == "/"
    assert visitor.visit(f"/sign-in?{urlencode({'next': then})}").header("Location") == "/"


def test_it_is_audited(office: ConsoleOffice) -> None:
    """The audit log says who signed in and out, and that somebody tried in vain, but no token."""
    visitor = office.visitor("olga")
    visitor.submit("/sign-out", {})
    visitor.sign_in("wrong-token")
    told = [(line["caller"], line["path"], line["status"]) for line in office.audited]
    assert told == [("olga", "/sign-in", 303), ("olga", "/sign-out", 303), (None, "/sign-in", 401)]
    assert "wrong-token" not in str(office.audited)


def test_nothing_typed_is_lost(office: ConsoleOffice) -> None:
    """A form that was sent behind the end of a session is there again behind the sign-in, and was not carried out."""
    visitor = office.visitor("olga")
    office.clock.advance(IDLE_SECONDS)
    typed = {"document": "\n[policies.shop]\r\norigins = ['<b>']", "reason": "für Müller & Söhne"}
    ended = visitor.submit("/history/rollback?x=1", typed)
    assert ended.status == 401
    form = Read(ended).fields
    assert form["next"] == "/history/rollback?x=1"
    back = visitor.submit("/sign-in", {**form, "token": "olga"})
    assert back.status == 200
    read = Read(back)
    assert "Nothing of this was sent yet." in read.text
    assert "/history/rollback?x=1" in read.all("form", "action")
    assert read.all("textarea", "name") == ["document", "reason"]
    assert b"\n\n[policies.shop]\r\norigins = [&#39;&lt;b&gt;&#39;]</textarea>" in back.body
    assert "für Müller & Söhne" in read.text


def test_what_can_not_be_given_back(office: ConsoleOffice) -> None:
    """A form that can't be read is refused, and begins no session."""
    before = len(office.console.sessions)
    answer = office.visitor().submit("/sign-in", {"token": "olga", "next": "/history", "kept": "a=%FF"})
    assert (answer.status, answer.header("Set-Cookie"), len(office.console.sessions)) == (400, None, before)


def test_part_of_a_page(office: ConsoleOffice) -> None:
    """A request for a part of a page is not led elsewhere: what is on the page stays."""
    answer = office.visitor().visit("/", HX_Request="true")
    assert answer.status == 401
    assert "Your session has ended." in Read(answer).text
    assert b"<html" not in answer.body


def test_link_from_elsewhere(office: ConsoleOffice) -> None:
    """A link on another site leads to the page, although browsers send no cookie with it."""
    visitor = office.visitor("olga")
    cookies, visitor.cookies = visitor.cookies, {}
    answer = visitor.visit("/?of=7d", Sec_Fetch_Site="cross-site")
    assert answer.status == 200
    then = Read(answer).all("meta", "content")[-1]
    assert then == "0; url=/sign-in?next=/%3Fof%3D7d"
    visitor.cookies = cookies
    assert visitor.visit(then.partition("url=")[2]).header("Location") == "/?of=7d"


class TestProxy:
    """A proxy that signs people in."""

    @pytest.fixture
    def office(self, tmp_path: Path) -> ConsoleOffice:
        """Give an admin process behind one."""
        text = '[[people]]\nperson = "olga@example.com"\nverbs = ["read"]\n'
        return ConsoleOffice(tmp_path, read_access(text), SignInProxy("X-User", ["127.0.0.0/8"]))

    def test_signed_in(self, office: ConsoleOffice) -> None:
        """Whom the proxy names is signed in, without a session."""
        page = office.visitor().visit("/", X_User="olga@example.com")
        assert page.status == 200
        assert "olga@example.com" in Read(page).text
        assert "/sign-out" not in Read(page).all("form", "action")

    def test_unknown(self, office: ConsoleOffice) -> None:
        """Somebody whom nobody lists is not signed in, and neither is one who has two names."""
        visitor = office.visitor()
        assert visitor.visit("/", X_User="eve@example.com").status == 303
        assert visitor.visit("/").status == 303
        twice = [("X-User", "olga@example.com"), ("X-User", "eve@example.com")]
        assert visitor.ask("GET", "/", None, twice).status == 303

    @pytest.mark.parametrize(
        ("address", "person"), [("::ffff:127.0.0.1", "olga"), ("::ffff:10.0.0.1", None), ("::1", None)]
    )
    def test_a_socket_for_both_protocols(self, address: str, person: str | None) -> None:
        """A proxy that comes by IPv4 to a socket of IPv6 has its own address."""
        request: Any = SimpleNamespace(
            requestHeaders=Headers({b"X-User": [b"olga"]}), getClientAddress=lambda: IPv6Address("TCP", address, 1)
        )
        assert SignInProxy("X-User", ["127.0.0.0/8"]).person(request) == person

    def test_from_elsewhere(self, office: ConsoleOffice) -> None:
        """The header is nothing from an address that is not named."""
        office.console.proxy = SignInProxy("X-User", ["10.0.0.0/8"])
        assert office.visitor().visit("/", X_User="olga@example.com").status == 303


def test_cross_site(office: ConsoleOffice) -> None:
    """No other page signs somebody in or out, and no program does that says not where it comes from."""
    visitor = office.visitor("olga")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "", "Sec_Fetch_Site": ""},
    ):
        assert visitor.submit("/sign-out", {}, **headers).status == 403
        assert Visitor(office).submit("/sign-in", {"token": "olga"}, **headers).status == 403
    assert visitor.visit("/").status == 200
