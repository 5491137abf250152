"""Tests of the token that callers show: by each client, to a real service that knows its callers."""

from __future__ import annotations

import logging

import pytest
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, formatEvent

from cors_service.access import read_access
from cors_service.access.tokens import token_entry
from cors_service.asking.token import authorization
from cors_service.client import DecisionClient
from cors_service.decision import Decision, Query
from cors_service.protect.wsgi import ServiceClient
from cors_service.stopped import UNDECIDED
from tests.answering import real
from tests.observing import observed_by

TOKEN = "hunter2-._~+/=="
ACCESS = read_access(token_entry("ci", TOKEN, ["decide"], ["app"]))
QUERY = Query("GET", "app", None, ("https://a.example",))
ELSEWHERE = Query("GET", "open", None, ("https://a.example",))


async def by_program(port: int, query: Query, token: str | None) -> Decision:
    """Ask as a Twisted program."""
    client = DecisionClient(f"http://127.0.0.1:{port}", timeout=20, token=token)
    decision = await client.decide(query)
    await client.close()
    return decision


async def by_thread(port: int, query: Query, token: str | None) -> Decision:
    """Ask as a thread."""
    client = ServiceClient(f"http://127.0.0.1:{port}", timeout=20, token=token)
    decision: Decision = await deferToThread(client.decide, query)
    client.close()
    return decision


@pytest.mark.parametrize("ask", [by_program, by_thread])
async def test_shown(ask: object, caplog: pytest.LogCaptureFixture) -> None:
    """A service that knows its callers answers who shows a token, about what that is good for, and nobody else."""
    assert callable(ask)
    told: list[str] = []

    def note(event: LogEvent) -> None:
        told.append(formatEvent(event))

    with observed_by(note), caplog.at_level(logging.DEBUG):
        async with real(access=ACCESS) as service:
            assert (await ask(service.port, QUERY, TOKEN)).allowed
            refused = [
                await ask(service.port, query, token)
                for query, token in ((QUERY, None), (QUERY, "hunter2"), (ELSEWHERE, TOKEN))
            ]
    assert [(decision.allowed, decision.reason.code) for decision in refused] == [(False, UNDECIDED)] * 3
    assert "no known token" in refused[1].reason.message
    assert "may not ask about" in refused[2].reason.message
    assert "hunter2" not in "\n".join([*told, caplog.text, *(decision.reason.message for decision in refused)])


@pytest.mark.parametrize(
    "token", ["", "hunter2 hunter3", "Bearer hunter2", "hunter2\r\nHost: b", "hünter2", "=", 2, b"hunter2"]
)
def test_not_a_token(token: object) -> None:
    """What can't be a token is refused at once, and not repeated."""
    for client in (DecisionClient, ServiceClient):
        with pytest.raises(ValueError, match="This is not a token") as caught:
            client("http://127.0.0.1:8080", token=token)  # type: ignore[arg-type]
        assert "hunter" not in str(caught.value)


def test_no_token() -> None:
    """Without a token nothing is shown."""
    assert authorization(None) == {}
