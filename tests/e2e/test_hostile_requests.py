"""What hostile clients send to the service as it runs: all of it is refused, and hurts nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service, allows, ask
from tests.e2e.hostile import HONEST, HOSTILE, NAMED, POLICIES, REFUSALS, Hostile, Refusal, get
from tests.e2e.hostile_client import Answer, connect, talk

LAST = get(b"Connection: close")
FAULTS = ("Traceback", "Unhandled", "Can't answer")
LONGEST_ANSWER = 1000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that must be as good as new in the end, and must have had no fault."""
    directory = tmp_path_factory.mktemp("hostile")
    (directory / "policies.toml").write_text(POLICIES, encoding="ascii")
    service = Service([*TWIST, "--policies", "policies.toml", "--listen", ANY_PORT, *NAMED], directory)
    try:
        yield service
        status = ask(service.port, "/v1/status")
        assert (status.status, status.json["policies"], status.json["stale"]) == (200, 1, False)
        service.stop()
        assert [line for line in service.out + service.err if any(fault in line for fault in FAULTS)] == []
    finally:
        service.kill()


def serves(service: Service) -> bool:
    """Whether an honest client gets a right answer."""
    return allows(service.port, "one", "https://one.example") is True


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_hostile_request(case: Hostile, service: Service) -> None:
    """It is refused, with the right status and code, and with nothing that anybody could take for a grant. Where
    nobody can know what follows on the connection nothing does; where all can, the next request is answered. The
    service goes on serving.
    """
    refused, *others = talk(service.port, case.sent if case.closes else case.sent + LAST)
    assert (case.status, case.code) == (refused.status, refused.code)
    assert refused.json["status"] == case.status
    assert (refused.grants, "server" in refused.headers) == (False, False)
    assert refused.headers["cors-decision-id"]
    assert ("close" if case.closes else None) == refused.headers.get("connection")
    assert ([] if case.closes else [200]) == [other.status for other in others]
    assert serves(service)


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_hostile_facts(case: Refusal, service: Service) -> None:
    """A question about a hostile request is answered: it is not allowed, why, and no more than that, however long the
    question is.
    """
    decided, last = talk(service.port, case.sent + LAST)
    assert (decided.status, decided.json["allowed"], decided.json["reason"]["code"]) == (200, False, case.code)
    assert [name for name, _ in decided.json["headers"]] == ["Vary"]
    assert len(decided.body) < LONGEST_ANSWER
    assert (decided.grants, last.status, serves(service)) == (False, 200, True)


@pytest.mark.parametrize("sent", HONEST.values(), ids=list(HONEST))
def test_honest_request(sent: bytes, service: Service) -> None:
    """What looks odd and can be read in one way only is granted as any other request is."""
    found = [answer for answer in talk(service.port, sent + LAST) if answer.status != 100]
    expected = 1 if b"HTTP/1.0" in sent else 2
    assert [(200, True)] * expected == [(answer.status, answer.json["allowed"]) for answer in found]


@pytest.mark.parametrize(
    ("method", "status"), [(b"OPTIONS", 200), (b"GET", 405), (b"POST", 405)], ids=["OPTIONS", "GET", "POST"]
)
def test_asterisk(method: bytes, status: int, service: Service) -> None:
    """`OPTIONS *` is about the server as a whole, and says nothing about CORS; no other method has it."""
    first, last = talk(service.port, get(method=method, target=b"*") + LAST)
    assert (first.status, first.grants, first.body, "server" in first.headers) == (status, False, b"", False)
    assert last.status == 200


def in_order(found: list[Answer]) -> list[object]:
    """What answers say, so that their order shows."""
    return [answer.code or answer.json.get("reason", answer.json).get("code") for answer in found]


def test_pipelined(service: Service) -> None:
    """Requests that are sent in one piece, those that are refused among them, are answered in order."""
    keeping = [case for case in HOSTILE if not case.closes and len(case.sent) < 500]
    sent = b"".join(case.sent + get() for case in keeping)
    found = talk(service.port, sent + LAST)
    assert [*(code for case in keeping for code in (case.code, "allowed")), "allowed"] == in_order(found)


@pytest.mark.parametrize(
    "case", [case for case in HOSTILE if case.closes and len(case.sent) < 500], ids=lambda case: case.name
)
def test_pipelined_until_refused(case: Hostile, service: Service) -> None:
    """What came before the request with which a connection ends is answered, and nothing that came behind it."""
    found = talk(service.port, get() + get(target=b"/nothing") + case.sent + LAST)
    assert ["allowed", "not-found", case.code] == in_order(found)


@pytest.mark.parametrize("cut", [1, 20, 60, 110, 150])
def test_cut_request(cut: int, service: Service) -> None:
    """Who goes away within a request hurts nobody."""
    sent = next(case.sent for case in HOSTILE if case.name == "two Origins, with a body")
    with connect(service.port) as client:
        client.sendall(sent[:cut])
    assert serves(service)
