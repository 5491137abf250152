"""A thread that waits for the service gets the same as a Twisted program, over the same kinds of connections."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from cors_service.client import DecisionClient
from cors_service.decision import Decision, Query
from cors_service.policy import read_document
from cors_service.protect._connection import _Timed
from cors_service.protect.wsgi import ServiceClient
from cors_service.stopped import UNDECIDED
from cors_service.wire.answers import write_decision
from cors_service.wire.json_text import write_json
from tests.answering import (
    CHANGED,
    Resolver,
    Talker,
    answer,
    demanding,
    free_port,
    impostor,
    real,
    resolving,
    saying,
    silent,
    unreachable,
)
from tests.certificates import Authority
from tests.questions import (
    EXPECTED,
    GARBAGE,
    GRANT,
    LONG,
    PROBLEM,
    QUERIES,
    REFUSAL,
    SLOW,
    SOON,
    STRANGER,
    A,
    B,
    ask,
    plain,
)

DECIDED = answer("200 OK", write_decision(EXPECTED.decide(ask()), 0))


@asynccontextmanager
async def asked(port: int, **options: Any) -> AsyncIterator[ServiceClient]:
    """Make a service of whatever listens on a port."""
    service = ServiceClient(f"http://127.0.0.1:{port}", **{"timeout": LONG, **options})
    try:
        yield service
    finally:
        service.close()


async def decided(service: ServiceClient, query: Query | None = None) -> Decision:
    """Wait for a decision, while the reactor goes on."""
    decision: Decision = await deferToThread(service.decide, query or ask())
    return decision


@pytest.fixture(autouse=True)
def at_all_levels(caplog: pytest.LogCaptureFixture) -> None:
    """See all that is logged."""
    caplog.set_level(logging.INFO, "cors_service.protect")


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What was logged: levels and texts."""
    return [
        (record.levelname, record.getMessage()) for record in caplog.records if record.name.startswith("cors_service.")
    ]


@pytest.mark.parametrize("query", QUERIES, ids=str)
async def test_it_gives_the_decision_of_the_service(query: Query) -> None:
    """Whatever was asked."""
    async with real() as there, asked(there.port) as service:
        assert plain(EXPECTED.advise(query)) == plain(await decided(service, query))


async def test_connections_are_used_again() -> None:
    """A hundred questions, one after the other, go over one; at the same time, each has its own answer."""
    async with real() as there, asked(there.port) as service:
        for _ in range(100):
            assert (await decided(service)).allowed
        assert there.connections == 1
        origins = [(A, B, STRANGER)[number % 3] for number in range(60)]
        decisions = await gatherResults([decided_later(service, origin) for origin in origins])
        assert [origin != STRANGER for origin in origins] == [decision.allowed for decision in decisions]


def decided_later(service: ServiceClient, origin: str) -> Any:
    """Ask in a thread, and do not wait."""
    return deferToThread(service.decide, ask(origin))


async def test_no_more_connections_are_kept_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are closed behind their answer."""
    monkeypatch.setattr("cors_service.protect._service_client.CONNECTIONS", 1)
    waiting: list[Talker] = []

    def talk(talker: Talker, _: bytes) -> None:
        waiting.append(talker)
        if len(waiting) == 3:
            for one in waiting:
                one.transport.write(DECIDED)

    async with impostor(talk) as other, asked(other.port) as service:
        decisions = await gatherResults([decided_later(service, A) for _ in range(3)])
        assert all(decision.allowed for decision in decisions)
        waiting[:] = waiting[:2]
        assert (await decided(service)).allowed
        assert other.connections == 3


async def test_what_the_service_closes_is_not_kept() -> None:
    """It may say so in its answer."""
    closing = answer("200 OK", write_decision(EXPECTED.decide(ask()), 0), "Connection: close\r\n")
    async with impostor(saying(closing, close=True)) as other, asked(other.port) as service:
        for times in (1, 2, 3):
            assert (await decided(service)).allowed
            assert times == len(other.asked) == other.connections


async def test_a_connection_that_the_service_has_closed() -> None:
    """The question is asked again, over another."""
    async with real() as there, asked(there.port) as service:
        for connections in (1, 2, 3):
            assert (await decided(service)).allowed
            assert connections == there.connections
            await there.hang_up()


@pytest.mark.parametrize("talk", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage(talk: Callable[[Talker, bytes], None], caplog: pytest.LogCaptureFixture) -> None:
    """What is no decision of the service grants nothing, and the log says what came."""
    async with impostor(talk) as other, asked(other.port) as service:
        decision = await decided(service)
        assert (decision.reason.code, decision.allowed, decision.headers) == (UNDECIDED, False, (("Vary", "Origin"),))
        assert logged(caplog) == [("ERROR", decision.reason.message)]
        assert decision.reason.message.isprintable()
        assert len(decision.reason.message) < 400


async def test_headers_of_the_service_count_for_nothing() -> None:
    """What is granted stands in the decision alone."""
    refusing = answer("200 OK", write_json(REFUSAL), GRANT)
    async with impostor(saying(refusing)) as other, asked(other.port) as service:
        assert (await decided(service)).headers == (("Vary", "Origin"),)


async def test_a_refused_question(caplog: pytest.LogCaptureFixture) -> None:
    """The log says each time what the service says, and that it is there again."""
    text = "refuses the question: There is no policy 'app'."
    async with impostor(saying(answer("404 Not Found", PROBLEM))) as other, asked(other.port) as service:
        for _ in range(2):
            decision = await decided(service)
            message = f"The decision service at http://127.0.0.1:{other.port} {text}"
            assert (decision.reason.code, decision.reason.message) == (UNDECIDED, message)
    assert logged(caplog) == [("WARNING", message)] * 2


async def test_no_policies_yet() -> None:
    """A service that has none active is as good as down."""
    async with real(None) as there, asked(there.port) as service:
        assert "No policies are active yet" in (await decided(service)).reason.message


@pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW.keys())
async def test_slow(talk: Callable[[Talker, bytes], None]) -> None:
    """A thread waits no longer than it may, however little comes at a time, and its connection is closed."""
    async with impostor(talk) as other, asked(other.port, timeout=SOON) as service:
        decision = await decided(service)
        where = f"http://127.0.0.1:{other.port}"
        assert decision.reason.message == f"The decision service at {where} can't be asked: timed out."
        await other.closed()


async def test_no_time_at_all() -> None:
    """Then nothing is even sent."""
    async with impostor(silent) as other, asked(other.port, timeout=0) as service:
        assert (await decided(service)).reason.code == UNDECIDED
        assert other.asked == []


def test_what_came_while_the_process_was_halted() -> None:
    """It is read, although the time is up; what comes then is not."""
    here, there = socket.socketpair()
    with here, there:
        reader = _Timed(here, time.monotonic() - 1).makefile("rb")
        there.sendall(b"answer")
        assert reader.read1() == b"answer"
        there.sendall(b"more")
        with pytest.raises(TimeoutError):
            reader.read1()


async def test_unreachable() -> None:
    """An address that does not even refuse connections."""
    with unreachable() as port:
        async with asked(port, timeout=SOON) as service:
            text = f"The decision service at http://127.0.0.1:{port} can't be asked: timed out."
            assert (await decided(service)).reason.message == text


class TestLookup:
    """A service may have a name, and the name several addresses."""

    async def test_a_slow_resolver(self) -> None:
        """A thread waits for it no longer than it may, and one look-up is enough for all who wait."""
        with resolving() as resolver:
            resolver.may_answer.clear()
            service = ServiceClient(f"http://{resolver.NAME}:1", timeout=SOON)
            before = time.monotonic()
            decisions = await gatherResults([decided_later(service, A) for _ in range(5)])
            assert time.monotonic() - before < 5
        text = f"The decision service at http://{resolver.NAME}:1 can't be asked: {resolver.NAME} can't be looked up: "
        assert {text + "it takes too long."} == {decision.reason.message for decision in decisions}
        assert resolver.asked == 1

    async def test_a_resolver_that_fails(self) -> None:
        """The message is its own."""
        with resolving() as resolver:
            resolver.fails = True
            decision = await decided(ServiceClient(f"http://{resolver.NAME}:1", timeout=LONG))
        assert decision.reason.message.endswith("Temporary failure in name resolution.")

    @pytest.mark.parametrize("is_slow", [True, False])
    async def test_the_last_addresses_are_good_while_the_resolver_is_down(self, is_slow: bool) -> None:
        """It may be slow, or fail at once."""
        async with real() as there:
            with resolving(there.port) as resolver:
                service = ServiceClient(f"http://{resolver.NAME}:1", timeout=2)
                assert (await decided(service)).allowed
                if is_slow:
                    resolver.may_answer.clear()
                resolver.fails = True
                for _ in range(2):
                    await there.hang_up()
                    assert (await decided(service)).allowed
                service.close()

    async def test_the_addresses_of_a_name_may_change(self) -> None:
        """Each new connection goes to those that it has now."""
        async with real() as there:
            with resolving(there.port) as resolver:
                service = ServiceClient(f"http://{resolver.NAME}:1", timeout=LONG)
                assert (await decided(service)).allowed
                await there.hang_up()
                async with real() as other:
                    resolver.ports = (other.port,)
                    assert (await decided(service)).allowed
                    assert (there.connections, other.connections) == (1, 1)
                    service.close()

    async def test_all_addresses_together_have_the_time(self) -> None:
        """However many there are that can't be reached."""
        with ExitStack() as stack:
            ports = [stack.enter_context(unreachable()) for _ in range(8)]
            service = ServiceClient(f"http://{Resolver.NAME}:1", timeout=SOON)
            with resolving(*ports):
                before = time.monotonic()
                assert (await decided(service)).reason.message.endswith("can't be asked: timed out.")
                assert time.monotonic() - before < 4 * SOON

    async def test_an_address_that_cannot_be_reached_leaves_time_for_the_next(self) -> None:
        """It gets its share, and no more; so does one that refuses."""
        async with real() as there:
            with unreachable() as dead, resolving(dead, free_port(), there.port) as resolver:
                service = ServiceClient(f"http://{resolver.NAME}:1", timeout=1.5)
                assert (await decided(service)).allowed
                service.close()

    async def test_without_a_thread_for_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The request is refused like any other."""
        service = ServiceClient("http://cors.internal:1")

        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
        message = service.decide(ask()).reason.message
        assert message.endswith("cors.internal can't be looked up: can't start new thread.")


async def test_dead_connections_are_not_tried_one_by_one() -> None:
    """Where one did not answer, none is kept."""
    waiting: list[Talker] = []
    alive = [True]

    def talk(talker: Talker, _: bytes) -> None:
        waiting.append(talker)
        if len(waiting) == 5 and alive[0]:
            for one in waiting:
                one.transport.write(DECIDED)

    async with impostor(talk) as other, asked(other.port) as service:
        await gatherResults([decided_later(service, A) for _ in range(5)])
        assert len(other.open) == 5
        alive[0] = False
        service.timeout = SOON
        assert not (await decided(service)).allowed
        await other.closed()


async def test_down_and_up_again(caplog: pytest.LogCaptureFixture) -> None:
    """The log says so once each time; the first question behind it is answered."""
    async with real() as there, asked(there.port) as service:
        for _ in range(2):
            assert (await decided(service)).allowed
            await there.stop()
            for _ in range(3):
                decision = await decided(service, ask(A, "OPTIONS"))
                assert (decision.kind, decision.status, decision.allowed) == ("preflight", 403, False)
            await there.start()
            assert (await decided(service)).allowed
    levels, texts = zip(*logged(caplog), strict=True)
    assert levels == ("ERROR", "ERROR") * 2
    assert "Connection refused" in texts[0]
    assert f"http://127.0.0.1:{there.port} can't be asked" in texts[0]
    assert texts[1] == f"The decision service at http://127.0.0.1:{there.port} answers again"


async def test_cache() -> None:
    """Decisions are used again for as long as the service says, and until it shows another revision."""
    async with real(ttl=60) as there, asked(there.port) as service:
        assert service.kept(ask()) is None
        first = await decided(service)
        assert service.kept(ask()) is first
        there.policies.activate(read_document(CHANGED))
        assert (await decided(service)) is first
        assert not (await decided(service, ask(STRANGER))).allowed
        assert not (await decided(service)).allowed
    async with real(ttl=0) as there, asked(there.port) as service:
        assert (await decided(service)).allowed
        there.policies.activate(read_document(CHANGED))
        assert not (await decided(service)).allowed


async def test_unix_socket(tmp_path: Path) -> None:
    """A service on a socket in the file system answers as any other; the connection is used again."""
    path = tmp_path / "cors.sock"
    service = ServiceClient(f"unix:{path}", timeout=LONG)
    async with real(where=f"unix:{path}") as there:
        for _ in range(10):
            assert (await decided(service)).allowed
        assert there.connections == 1
    assert (await decided(service)).reason.code == UNDECIDED


# What Twisted makes a context of, pyOpenSSL would rather have from cryptography.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
async def test_client_certificate(tmp_path: Path) -> None:
    """A client that the service knows, and that knows the service, is answered; no other is."""
    services, clients = Authority("services"), Authority("clients")
    own, stranger = tmp_path / "own.pem", tmp_path / "stranger.pem"
    own.write_bytes(clients.sign("client").both)
    stranger.write_bytes(services.sign("client").both)

    def context(certificate: Path | None, authority: bytes) -> ssl.SSLContext:
        made = ssl.create_default_context(cadata=authority.decode("ascii"))
        if certificate is not None:
            made.load_cert_chain(certificate)
        return made

    async with demanding(services, clients) as there:
        place = f"https://127.0.0.1:{there.port}"
        known = ServiceClient(place, timeout=LONG, tls=context(own, services.certificate))
        for _ in range(5):
            assert (await decided(known)).allowed
        assert there.connections == 1
        known.close()
        for tls in (
            context(None, services.certificate),
            context(stranger, services.certificate),
            context(own, clients.certificate),
            None,
        ):
            assert (await decided(ServiceClient(place, timeout=LONG, tls=tls))).reason.code == UNDECIDED


async def test_a_process_that_was_forked_has_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise read its parent's answers."""
    async with real() as there, asked(there.port) as service:
        await decided(service)
        kept = service._idle.queue[0]
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert (await decided(service)).allowed
        assert there.connections == 2
        kept.close()


async def test_what_cannot_be_written() -> None:
    """A query that has no place in JSON is refused as well, and raises nothing."""
    assert (await decided(ServiceClient("http://127.0.0.1:1"), Query("\ud800"))).reason.code == UNDECIDED


def test_default_ports() -> None:
    """Those of the schemes; nobody is connected to before the first question."""
    assert ServiceClient("https://cors.internal").kept(ask()) is None
    with pytest.raises(ValueError, match="is not the address of a decision service"):
        ServiceClient("cors.internal")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"service": 8080}, TypeError, "service must be an address, such as .*, not int"),
        ({"timeout": "1"}, TypeError, "timeout must be a number of seconds, such as 0.2, not '1'"),
        ({"timeout": -1}, ValueError, "timeout must be a number of seconds from 0, not -1"),
        ({"timeout": float("nan")}, ValueError, "not nan"),
        ({"cache_size": 1.5}, TypeError, "cache_size must be a whole number, such as 1000, not 1.5"),
        ({"cache_size": -1}, ValueError, "cache_size must be a number from 0, not -1"),
    ],
)
@pytest.mark.parametrize("client", [ServiceClient, DecisionClient])
def test_wrong_arguments(client: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    """Both clients find a wrong argument at once, and say what it must be."""
    with pytest.raises(error, match=message):
        client(**{"service": "http://127.0.0.1:1", **options})
