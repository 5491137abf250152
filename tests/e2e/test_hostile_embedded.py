"""What hostile clients send to a site of Twisted's own in which the resource tree is: who refuses what there.

`docs/embedding.md` says what these tests show: what only a server can do.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.daemons import Service, allows, ask
from tests.e2e.hostile import HONEST, HOSTILE, POLICIES, REFUSALS, By, Hostile, Refusal, get
from tests.e2e.hostile_client import connect, talk

LAST = get(b"Connection: close")
SITE = Path(__file__).with_name("embedding_site.py")


def by(who: By) -> pytest.MarkDecorator:
    """Run a test for each of those requests that somebody refuses."""
    cases = [case for case in HOSTILE if case.embedded is who]
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A site in which the tree must be as good as new in the end, and must have had no fault."""
    directory = tmp_path_factory.mktemp("embedded")
    (directory / "policies.toml").write_text(POLICIES, encoding="ascii")
    site = Service([sys.executable, str(SITE), "policies.toml"], directory)
    try:
        yield site
        status = ask(site.port, "/v1/status")
        assert (status.status, status.json["policies"], status.json["stale"]) == (200, 1, False)
        site.stop()
        assert [line for line in site.out if "Can't answer" in line] == []
    finally:
        site.kill()


def serves(site: Service) -> bool:
    """Whether an honest client gets a right answer."""
    return allows(site.port, "one", "https://one.example") is True


@by(By.TREE)
def test_refused_by_the_tree(case: Hostile, site: Service) -> None:
    """What a resource can see, it refuses as the service does, without the site's version in the answer."""
    refused, *_ = talk(site.port, case.sent + LAST)
    assert (case.status, case.code) == (refused.status, refused.code)
    assert (refused.grants, "server" in refused.headers, serves(site)) == (False, False, True)


@by(By.SITE)
def test_refused_by_the_site(case: Hostile, site: Service) -> None:
    """What the site of Twisted's own refuses gets an empty 400 or no answer at all, and the connection ends."""
    found = talk(site.port, case.sent)
    assert [(answer.status, answer.headers, answer.body) for answer in found] in ([], [(400, {}, b"")])
    assert serves(site)


@by(By.NOBODY)
def test_read_as_if_it_were_honest(case: Hostile, site: Service) -> None:
    """Some of the rest only a server can refuse; it gets the answer to the honest question, and no other."""
    first, last = talk(site.port, case.sent + LAST)
    assert (200, last.body) == (first.status, first.body)
    assert serves(site)


@by(By.TIME)
def test_waited_for(case: Hostile, site: Service) -> None:
    """Only a server can stop waiting for the rest of some requests; until then they have no answer."""
    with connect(site.port) as client:
        client.sendall(case.sent)
        # The first round may be answered before what was sent is read, not so the second; a megabyte takes some.
        assert all(serves(site) for _ in range(2 + len(case.sent) // 2**14))
        assert received(client) in {b"", b"HTTP/1.1 100 Continue\r\n\r\n"}


def received(client: socket.socket) -> bytes:
    """What has come over a connection that is open; it fails if it is not."""
    client.setblocking(False)
    found = b""
    with suppress(BlockingIOError):
        while piece := client.recv(2**16):
            found += piece
        pytest.fail(f"the connection is closed behind {found!r}")
    return found


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_hostile_facts(case: Refusal, site: Service) -> None:
    """A question about a hostile request is answered as by the service: it is not allowed, and why."""
    decided, last = talk(site.port, case.sent + LAST)
    assert (decided.status, decided.json["allowed"], decided.json["reason"]["code"]) == (200, False, case.code)
    assert (decided.grants, last.status) == (False, 200)


@pytest.mark.parametrize("sent", HONEST.values(), ids=list(HONEST))
def test_honest_request(sent: bytes, site: Service) -> None:
    """What looks odd and can be read in one way only is granted as by the service."""
    found = [answer for answer in talk(site.port, sent + LAST) if answer.status != 100]
    expected = 1 if b"HTTP/1.0" in sent else 2
    assert [(200, True)] * expected == [(answer.status, answer.json["allowed"]) for answer in found]


def test_no_answer_is_a_fault(site: Service) -> None:
    """No request, in whatever order they come over however many connections, is answered by a 500."""
    found = [
        answer.status
        for case in HOSTILE
        if case.embedded is not By.TIME
        for answer in talk(site.port, case.sent + LAST)
    ]
    assert max(found) < 500


def test_pipelined(site: Service) -> None:
    """Requests that are sent in one piece, those that are refused among them, are answered in order."""
    keeping = [case for case in HOSTILE if case.embedded is By.TREE and not case.closes and len(case.sent) < 500]
    found = talk(site.port, b"".join(case.sent + get() for case in keeping) + LAST)
    expected = [*(status for case in keeping for status in (case.status, 200)), 200]
    assert expected == [answer.status for answer in found]
