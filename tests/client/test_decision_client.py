"""The client asks the service itself, over real sockets, and whatever else can be in its place."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, gatherResults
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from cors_service.asking.address import CONNECTIONS
from cors_service.client import DecisionClient
from cors_service.decision import Decision, Query
from cors_service.policy import read_document
from cors_service.stopped import UNDECIDED
from cors_service.wire.answers import write_decision
from tests.answering import (
    CHANGED,
    Talker,
    answer,
    dripping,
    free_port,
    impostor,
    real,
    saying,
    silent,
    unreachable,
)
from tests.observing import observed_by
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

METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE"]


@asynccontextmanager
async def client(port: int, **options: Any) -> AsyncIterator[DecisionClient]:
    """Make a client of whatever listens on a port."""
    made = DecisionClient(f"http://127.0.0.1:{port}", **{"timeout": LONG, **options})
    try:
        yield made
    finally:
        await made.close()


async def decided(asking: DecisionClient, query: Query | None = None) -> Decision:
    """Wait for a decision."""
    return await asking.decide(query or ask())


@pytest.fixture
def log() -> Iterator[list[tuple[str, str]]]:
    """What the client logs: levels and texts."""
    events: list[tuple[str, str]] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("cors_service.client"):
            events.append((event["log_level"].name, (event["log_format"] or "").format(**event)))

    with observed_by(observe):
        yield events


class TestAsking:
    """The service answers."""

    @pytest.mark.parametrize("query", QUERIES, ids=str)
    async def test_it_gives_the_decision_of_the_service(self, query: Query) -> None:
        """What a client says is what the service says, whatever was asked."""
        async with real() as service, client(service.port) as asking:
            assert plain(EXPECTED.advise(query)) == plain(await decided(asking, query))

    async def test_a_batch_is_in_order(self) -> None:
        """More queries than a request may have are asked in several, and each answer is in its place."""
        origins = [(A, B, STRANGER)[number % 3] for number in range(2345)]
        async with real() as service, client(service.port) as asking:
            decisions = await asking.decide_all([ask(origin) for origin in origins])
            assert service.connections == 1
        assert [origin != STRANGER for origin in origins] == [decision.allowed for decision in decisions]

    async def test_a_batch_of_nothing_asks_nothing(self) -> None:
        """No query, no request."""
        async with client(free_port()) as asking:
            assert await asking.decide_all([]) == []

    async def test_a_bad_query_in_a_batch_has_no_decision(self) -> None:
        """The others have theirs."""
        async with real() as service, client(service.port) as asking:
            first, second = await asking.decide_all([ask(policy="nothing"), ask()])
        assert (first.reason.code, first.allowed, first.headers) == (UNDECIDED, False, (("Vary", "Origin"),))
        assert "nothing" in first.reason.message
        assert second.allowed

    async def test_connections_are_used_again(self) -> None:
        """A hundred questions, one after the other, go over one connection."""
        async with real() as service, client(service.port) as asking:
            for _ in range(100):
                assert (await decided(asking)).allowed
            assert service.connections == 1

    async def test_questions_at_the_same_time(self) -> None:
        """Each gets its own answer, however many there are."""
        origins = [(A, B, STRANGER)[number % 3] for number in range(100)]
        async with real() as service, client(service.port) as asking:
            decisions = await gatherResults([asking.decide(ask(origin)) for origin in origins])
            assert [origin != STRANGER for origin in origins] == [decision.allowed for decision in decisions]
            await asking.close()

    async def test_equal_questions_at_the_same_time(self) -> None:
        """One is asked for all who wait, and the next one anew."""
        async with real() as service, client(service.port) as asking:
            for connections, questions in ((1, 1), (1, 500)):
                decisions = await gatherResults([asking.decide(ask()) for _ in range(questions)])
                assert all(decision.allowed for decision in decisions)
                assert connections == service.connections
        body = write_decision(EXPECTED.decide(ask()), 0)
        async with impostor(saying(answer("200 OK", body))) as other, client(other.port) as asking:
            for times in (1, 2):
                await gatherResults([asking.decide(ask()) for _ in range(5)])
                assert times == len(other.asked)

    async def test_no_more_connections_are_open_than_there_may_be(self) -> None:
        """Who finds none free waits for one, so a burst does not connect once for each question."""
        async with real() as service, client(service.port) as asking:
            origins = [f"https://{number}.example" for number in range(3 * CONNECTIONS)]
            decisions = await gatherResults([asking.decide(ask(origin)) for origin in origins])
            assert {"origin-not-allowed"} == {decision.reason.code for decision in decisions}
            assert service.connections == CONNECTIONS

    async def test_a_path_before_those_of_the_service(self) -> None:
        """The service may be under any path of a site."""
        async with impostor(saying(answer("404 Not Found", b'{"detail": "nothing"}'))) as other:
            asking = DecisionClient(f"http://127.0.0.1:{other.port}/cors/", timeout=LONG)
            await decided(asking)
            await asking.close()
            [head, *_] = other.asked[0].split(b"\r\n")
            assert head == b"POST /cors/v1/decision HTTP/1.1"

    async def test_a_slow_reader_of_few_parts(self) -> None:
        """An answer that comes in pieces is one answer, whether its length is told or not."""
        body = write_decision(EXPECTED.decide(ask()), 0)
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
        for whole in (
            answer("200 OK", body),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n",
        ):
            async with impostor(saying(whole)) as other, client(other.port) as asking:
                assert (await decided(asking)).allowed

    def test_without_treq(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It says what to install."""
        monkeypatch.setitem(sys.modules, "treq.client", None)
        with pytest.raises(ImportError, match=r'pip install "cors-service\[client\]"'):
            DecisionClient("http://127.0.0.1:1")

    @pytest.mark.parametrize("place", ["ftp://a.example", "http://", "", "unix:", "a.example:8080", "http://a:b"])
    def test_no_place_of_a_service(self, place: str) -> None:
        """It is said at once, and not with the first request."""
        with pytest.raises(ValueError, match="is not the address of a decision service"):
            DecisionClient(place)


class TestCache:
    """Decisions are used again for as long as the service says."""

    async def test_what_holds_is_not_asked_again(self) -> None:
        """Even while the service is down."""
        async with real(ttl=60) as service, client(service.port) as asking:
            first = await decided(asking)
            await service.stop()
            assert first == await decided(asking)
            assert (await decided(asking, ask(B))).reason.code == UNDECIDED

    async def test_no_lifetime_no_memory(self) -> None:
        """If decisions may not be used again, the service is asked each time, and a change takes effect at once."""
        async with real(ttl=0) as service, client(service.port) as asking:
            assert (await decided(asking)).allowed
            service.policies.activate(read_document(CHANGED))
            assert not (await decided(asking)).allowed

    async def test_no_cache(self) -> None:
        """So is every service if the client shall remember nothing."""
        async with real(ttl=60) as service, client(service.port, cache_size=0) as asking:
            assert (await decided(asking)).allowed
            service.policies.activate(read_document(CHANGED))
            assert not (await decided(asking)).allowed

    async def test_another_revision_ends_what_was_decided_before(self) -> None:
        """Whatever it is about."""
        async with real(ttl=60) as service, client(service.port) as asking:
            assert (await decided(asking)).allowed
            service.policies.activate(read_document(CHANGED))
            assert (await decided(asking)).allowed, "nothing has told the client"
            assert not (await decided(asking, ask(STRANGER))).allowed
            assert not (await decided(asking)).allowed

    async def test_it_is_asked_again_behind_the_lifetime(self) -> None:
        """By the reactor's clock."""
        clock = Clock()
        asking = DecisionClient("http://127.0.0.1:1", reactor=clock)
        asked: list[bytes] = []

        async def insist(path: str, body: bytes) -> bytes:
            asked.append(body)
            return write_decision(EXPECTED.decide(ask()), 5)

        asking._insist = insist  # type: ignore[method-assign]
        for seconds, times in ((0, 1), (4.9, 1), (0.2, 2), (4.9, 2)):
            clock.advance(seconds)
            await asking.decide(ask())
            assert times == len(asked)
        assert clock.getDelayedCalls() == []


class TestFaults:
    """Whatever is there, no answer means no access, and the client says why."""

    @pytest.mark.parametrize("talk", GARBAGE.values(), ids=GARBAGE.keys())
    async def test_garbage(self, talk: Callable[[Talker, bytes], None], log: list[tuple[str, str]]) -> None:
        """What is no decision of the service grants nothing, and the log says what came."""
        async with impostor(talk) as other, client(other.port) as asking:
            decision = await decided(asking)
            assert (decision.reason.code, decision.allowed, decision.headers) == (
                UNDECIDED,
                False,
                (("Vary", "Origin"),),
            )
            assert [("error", decision.reason.message)] == log
            assert decision.reason.message.isprintable()
            assert len(decision.reason.message) < 400

    async def test_headers_of_the_service_count_for_nothing(self) -> None:
        """What is granted stands in the decision alone."""
        body = json.dumps(REFUSAL).encode()
        async with impostor(saying(answer("200 OK", body, GRANT))) as other, client(other.port) as asking:
            assert (await decided(asking)).headers == (("Vary", "Origin"),)

    @pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "413 Content Too Large"])
    async def test_a_refused_question(self, status: str, log: list[tuple[str, str]]) -> None:
        """It is not asked again, and the log says each time what the service says."""
        async with impostor(saying(answer(status, PROBLEM))) as other, client(other.port) as asking:
            decision = await decided(asking)
            assert len(other.asked) == 1
            await decided(asking)
        text = f"The decision service at http://127.0.0.1:{other.port} refuses the question: There is no policy 'app'."
        assert (decision.reason.code, decision.reason.message, decision.allowed) == (UNDECIDED, text, False)
        assert log == [("warn", text)] * 2

    async def test_no_policies_yet(self) -> None:
        """A service that has none active is as good as down."""
        async with real(None) as service, client(service.port) as asking:
            decision = await decided(asking)
        assert decision.reason.code == UNDECIDED
        assert "No policies are active yet" in decision.reason.message

    @pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW.keys())
    async def test_slow(self, talk: Callable[[Talker, bytes], None], log: list[tuple[str, str]]) -> None:
        """A decision takes no longer than it may, and nothing of the question is left behind."""
        async with impostor(talk) as other, client(other.port, timeout=SOON) as asking:
            decision = await decided(asking)
            where = f"http://127.0.0.1:{other.port}"
            text = f"The decision service at {where} can't be asked: it did not answer within 0.3 seconds."
            assert log == [("error", text)]
            assert decision.reason.code == UNDECIDED
            await other.closed()

    async def test_an_answer_that_comes_while_the_reactor_is_blocked(self, log: list[tuple[str, str]]) -> None:
        """It counts, over a new connection and over a kept one; nobody complains about the service."""
        async with real() as service, client(service.port, timeout=SOON) as asking:
            for _ in range(2):
                deciding = asking.decide(ask())
                # What a handler of the same program may do.
                reactor.callLater(0, time.sleep, 2 * SOON)
                assert (await deciding).allowed
        assert log == []

    async def test_slow_with_a_batch(self) -> None:
        """Every query of it is refused."""
        async with impostor(silent) as other, client(other.port, timeout=SOON) as asking:
            decisions = await asking.decide_all([ask(), ask(A, "OPTIONS"), Query("GET")])
        assert [(one.allowed, one.status) for one in decisions] == [(False, None), (False, 403), (None, None)]
        assert {UNDECIDED} == {one.reason.code for one in decisions}

    async def test_unreachable(self) -> None:
        """An address that does not even refuse connections."""
        with unreachable() as port:
            async with client(port, timeout=SOON) as asking:
                decision = await decided(asking)
        assert decision.reason.code == UNDECIDED
        assert decision.reason.message.endswith(" did not answer within 0.3 seconds.")

    async def test_dead_connections_are_not_tried_one_by_one(self) -> None:
        """Where one did not answer, none is kept."""
        body = write_decision(EXPECTED.decide(ask()), 0)
        alive = [True]

        def talk(talker: Talker, data: bytes) -> None:
            if alive[0]:
                talker.transport.write(answer("200 OK", body))

        async with impostor(talk) as other, client(other.port) as asking:
            await gatherResults([asking.decide(ask(A, method)) for method in METHODS])
            assert len(other.open) == len(METHODS)
            alive[0] = False
            asking._timeout = SOON
            assert not (await decided(asking)).allowed
            await other.closed()

    async def test_down_and_up_again(self, log: list[tuple[str, str]]) -> None:
        """The log says so once each time; the first question behind it is answered."""
        async with real() as service, client(service.port) as asking:
            for _ in range(2):
                assert (await decided(asking)).allowed
                await service.stop()
                for _ in range(3):
                    decision = await decided(asking, ask(A, "OPTIONS"))
                    assert (decision.kind, decision.status, decision.allowed) == ("preflight", 403, False)
                await service.start()
                assert (await decided(asking)).allowed
        levels, texts = zip(*log, strict=True)
        assert levels == ("error", "error") * 2
        assert "Connection was refused" in texts[0]
        assert f"http://127.0.0.1:{service.port} can't be asked" in texts[0]
        assert texts[1] == f"The decision service at http://127.0.0.1:{service.port} answers again"

    async def test_a_refused_question_is_an_answer(self, log: list[tuple[str, str]]) -> None:
        """It shows that the service is there again."""
        async with real() as service, client(service.port) as asking:
            await service.stop()
            await decided(asking)
            await service.start()
            await decided(asking, ask(policy="nothing"))
        assert [level for level, _ in log] == ["error", "error", "warn"]

    async def test_a_connection_that_the_service_has_closed(self) -> None:
        """A question that crosses the end of a kept connection is asked again over another."""
        body = write_decision(EXPECTED.decide(ask()), 0)

        answered: set[Talker] = set()

        def talk(talker: Talker, _: bytes) -> None:
            if talker in answered:
                talker.transport.loseConnection()
            else:
                answered.add(talker)
                talker.transport.write(answer("200 OK", body))

        async with impostor(talk) as other, client(other.port) as asking:
            for connections in (1, 2, 3):
                assert (await decided(asking)).allowed
                assert connections == other.connections
        assert len(other.asked) == 5

    async def test_it_is_asked_twice_at_most(self) -> None:
        """Whoever always hangs up is not asked for ever."""
        async with impostor(saying(b"", close=True)) as other, client(other.port) as asking:
            assert "Connection" in (await decided(asking)).reason.message
            assert len(other.asked) == 2

    async def test_who_cancels_a_question_ends_it(self, log: list[tuple[str, str]]) -> None:
        """The connection is closed, the question not asked again, and nobody complains about the service."""
        for talk in (silent, dripping(b"HTTP/1.1 200 OK\r\n\r\n")):
            async with impostor(talk) as other, client(other.port) as asking:
                asked = asking.decide(ask())
                await other.heard
                asked.cancel()
                with pytest.raises(CancelledError):
                    await asked
                await other.closed()
                assert len(other.asked) == 1
        assert log == []

    async def test_who_cancels_a_question_leaves_it_to_others(self) -> None:
        """It is theirs as well; when all have left, it ends, and whoever comes then asks anew."""
        body = write_decision(EXPECTED.decide(ask()), 0)
        waiting: list[Talker] = []

        def talk(talker: Talker, _: bytes) -> None:
            waiting.append(talker)
            talker.impostor.told()

        async with impostor(talk) as other, client(other.port) as asking:
            first, second = asking.decide(ask()), asking.decide(ask())
            await other.heard
            first.cancel()
            with pytest.raises(CancelledError):
                await first
            waiting[0].transport.write(answer("200 OK", body))
            assert (await second).allowed
            for last in (asking.decide(ask()), asking.decide(ask())):
                last.addErrback(lambda failure: failure.trap(CancelledError)).cancel()
            await other.closed()
            other.talk = saying(answer("200 OK", body))
            assert (await decided(asking)).allowed

    async def test_what_cannot_be_written(self) -> None:
        """A query that has no place in JSON is refused as well, and raises nothing."""
        async with real() as service, client(service.port) as asking:
            assert (await decided(asking, Query("GET", "app", None, ("\ud800",)))).reason.code == UNDECIDED
            assert (await asking.decide_all([Query("\ud800", "app")]))[0].reason.code == UNDECIDED
