"""What can be wrong with the benchmarks without a clock: verdicts, readings, plots, and what the peers answer."""

from __future__ import annotations

import json
import re
import socket
import threading
from array import array
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import treq
from treq.testing import StubTreq
from twisted.internet.testing import StringTransport

from benchmarks import (
    cores,
    counting,
    figures,
    foreign,
    growth,
    hops,
    hostile,
    hot_path,
    load,
    opa,
    open_loop,
    plots,
    questions,
    report,
)
from benchmarks.figures import Part
from benchmarks.foreign import Case, Foreign
from benchmarks.load import NUMBER, Load
from benchmarks.open_loop import Latencies
from benchmarks.questions import MIX, NEVER_REPEATED, PREFLIGHTS, Question
from benchmarks.servers import bare, plain_twisted, starlette_api, starlette_cors
from benchmarks.targets import Target, furthest, number
from benchmarks.throughput import (
    AS_OPA,
    BARE,
    BATCHED,
    BATCHED_NEW,
    FORWARD,
    MIDDLEWARE,
    OPA,
    SINGLE,
    SINGLE_NEW,
    STARLETTE,
)
from benchmarks.throughput import STARLETTE_PREPARED as PREPARED
from benchmarks.throughput import targets as throughput_targets
from cors_service.observe.table import Table
from cors_service.observe.tally import NoTally, Tally
from cors_service.store.shadow import ShadowedPolicies

SAID = (
    "Running 1s test @ http://127.0.0.1:8080\n  1 threads and 32 connections\nRequests/sec: 10.00\n"
    '{"requests": 20, "seconds": 2.0, "bytes": 9, "broken": %d, "refused": %d, "p50": 0.001, "p99": 0.004}\n'
)
ACTIVE = questions.active(questions.document())
ANSWERS = {question: questions.expected(ACTIVE, question) for question in MIX}
PAIRS = [(json.loads(question.query()), answer) for question, answer in ANSWERS.items()]


# Verdicts.


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (Target("rate", 1.6, "times", 2.0, at_least=True), "reached: rate: 2 times, wanted ≥ 1.6 times, 25% better"),
        (
            Target("rate", 2, "times", 1.5, at_least=True),
            "NOT REACHED: rate: 1.5 times, wanted ≥ 2 times, 25% short",
        ),
        (Target("rate", 2, "times", 2, at_least=True), "reached: rate: 2 times, wanted ≥ 2 times, 0% better"),
        (Target("p99", 2, "ms", 0.5, note="idle"), "reached: p99: 0.5 ms, wanted ≤ 2 ms, 75% better (idle)"),
        (Target("p99", 2, "ms", 3.0), "NOT REACHED: p99: 3 ms, wanted ≤ 2 ms, 50% short"),
        (Target("p99", 2, "ms", None, note="no wrk"), "NOT MEASURED: p99: wanted ≤ 2 ms (no wrk)"),
        (Target("n", 250_000, "/s", 249_999.0, True), "NOT REACHED: n: 249,999 /s, wanted ≥ 250,000 /s, 0% short"),
    ],
)
def test_verdict(target: Target, line: str) -> None:
    """A line says whether a target is reached, what was measured and wanted, and by how much it is better or short."""
    assert line == str(target)


@pytest.mark.parametrize(("at_least", "where"), [(True, "a"), (False, "c")])
def test_a_target_of_several_figures_is_judged_by_the_furthest(at_least: bool, where: str) -> None:
    """Of several figures the worst one is judged, and named."""
    target = furthest("what", 2, "µs", {"a": 1.0, "b": 2.0, "c": 3.0}, at_least=at_least)
    assert (where, False) == (target.note, target.reached)


@pytest.mark.parametrize(("figure", "text"), [(0.0567, "0.0567"), (2.345, "2.35"), (99.94, "99.9"), (1234.5, "1,234")])
def test_numbers_have_three_digits(figure: float, text: str) -> None:
    """A number has three digits, or all of its whole part."""
    assert text == number(figure)


def test_throughput_is_judged_by_the_ratios_of_the_rounds() -> None:
    """What slows a round down for everybody changes no ratio, and batches count their queries."""
    relative = {
        SINGLE: 200, SINGLE_NEW: 100, STARLETTE: 100, PREPARED: 160, BARE: 400,
        OPA: 40, AS_OPA: 80, FORWARD: 90, MIDDLEWARE: 100, BATCHED: 30, BATCHED_NEW: 11,
    }  # fmt: skip
    loads = {name: [_load(rate * speed) for speed in (1, 0.1, 7)] for name, rate in relative.items()}
    found = throughput_targets(loads, {BATCHED: 300_000.0, BATCHED_NEW: 1.0})
    assert [target.figure for target in found] == [2.0, 0.5, 5.0, 0.9, 300_000.0, 15.0]
    assert [target.reached for target in found] == [True, False, True, False, True, True]
    assert found[0].note == "2 by CPU time; 1.25 with prepared answers"
    assert found[2].note == "5 by CPU time; 2 asked by the same bytes"
    assert "11 if" in found[-1].note


def test_opa_decides_the_same() -> None:
    """A decision of OPA's counts as ours if it says the same to a machine, and as another if anything differs."""
    for answer in ANSWERS.values():
        told = {name: answer[name] for name in ("kind", "allowed", "status", "headers", "policy")}
        theirs = {**told, "reason": {"code": answer["reason"]["code"]}}
        assert opa.same(answer, theirs)
        assert not opa.same(answer, {**theirs, "allowed": not answer["allowed"]})
        assert not opa.same(answer, {**theirs, "headers": answer["headers"][1:]})


def test_what_seeing_costs() -> None:
    """A cost is the median of the rounds' ratios, whatever slows a round down for everybody."""
    rounds = [(_load(slower * speed), _load(100 * speed)) for speed, slower in ((1, 98), (0.1, 50), (7, 99))]
    assert counting.percent(rounds) == pytest.approx(100 * (100 / 98 - 1))


def test_what_seeing_costs_is_judged_twice() -> None:
    """Whole services are judged, and what is added on the way, beside all that a decision takes without it."""
    added = {(name, kind): 0.75 for name in counting.MOST for kind in counting.ASKED}
    costs = dict.fromkeys(added, 4.0)
    judged = counting.verdicts(costs, added, {"remembered": 20.0, "new": 50.0})
    assert [target.figure for target in judged] == pytest.approx([4.0] * 8 + [3.75, 1.5] * 4)
    assert [target.reached for target in judged[:8]] == [False, False] * 3 + [False, True]
    assert [target.reached for target in judged[8:]] == [False, True] * 4
    assert judged[8].note == "0.75 of 20.0 µs"


def test_what_is_seen_on_the_way_is_every_request() -> None:
    """The sites that are compared count all that they answer, have a shadow decide, or do neither."""
    requests = [counting.ASKED["new"][0].replace(NUMBER, b"%08d" % number) for number in range(20)]
    table = Table()
    connection = hot_path.Connection(hot_path.policies(None), Tally(table))
    for _ in range(3):
        connection.seconds(requests)
    counted = [count for count in table.counts if count]
    assert counted[:3] == [40, 20, 60], "made twice, remembered the third time; and requests by their status"
    shadowed = hot_path.policies(counting.beside())
    hot_path.Connection(shadowed, NoTally()).seconds(requests)
    assert isinstance(shadowed, ShadowedPolicies)
    assert shadowed.tally.compared == 20
    with pytest.raises(RuntimeError, match="0 of 1 requests were answered"):
        connection.seconds([b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])


def test_two_workers_are_worth_what_they_give_for_what_they_take() -> None:
    """Two workers that give twice as much for twice the processor are worth two, however long it took."""
    one = Load(1000, 10.0, 0, 0, processor=10.0)
    assert cores.worth(one, Load(1500, 10.0, 0, 0, processor=15.0)) == pytest.approx(2)
    assert cores.worth(one, Load(1500, 10.0, 0, 0, processor=20.0)) == pytest.approx(1.5)


def _load(rate: float) -> Load:
    return Load(int(rate * 100), 100.0, 0, 0, processor=100.0)


# What is asked.


def test_the_mix_is_one_of_few_questions() -> None:
    """The mix has 256 questions, no two alike, half of them about preflights, most of them allowed."""
    allowed = [answer["allowed"] for answer in ANSWERS.values()]
    assert (len({question.query() for question in MIX}), len(PREFLIGHTS)) == (256, 128)
    assert 0.7 < sum(allowed) / len(allowed) < 0.9
    assert 160 <= sum(len(question.query()) for question in MIX) / 256 <= 180


@pytest.mark.parametrize("request_", [questions.single(NEVER_REPEATED[0]), NEVER_REPEATED[0].forwarded()])
def test_what_never_repeats_has_a_place_for_a_number(request_: bytes) -> None:
    """A request that never repeats has a number in its origin, and stays as long as it says when that is filled in."""
    filled = request_.replace(NUMBER, b"00000001")
    assert (len(request_), True) == (len(filled), filled != request_)


@pytest.mark.parametrize("query", [*hostile.HOSTILE, *hostile.LONG])
def test_hostile_queries_never_repeat(query: dict[str, Any]) -> None:
    """Each hostile query has a place for a number."""
    assert NUMBER in questions.written(query)


def test_many_policies_are_asked_what_they_allow_and_what_not() -> None:
    """Of a large set, policies from its beginning to its end are asked, and a part of the questions is refused."""
    asked = questions.asked_of_many(1_000)
    active = questions.active(questions.many_policies(1_000))
    allowed = [questions.expected(active, question)["allowed"] for question in asked]
    assert (256, {True, False}) == (len({question.policy for question in asked}), set(allowed))


def test_a_changed_file_allows_another_origin() -> None:
    """What a file is changed to is told from what it was by an origin of its own."""
    for generation in (0, 1):
        active = questions.active(json.loads(questions.numbered_file(7, generation)))
        asked = [
            Question(f"https://generation{each}.site000007.example", "GET", None, "catalogue000007") for each in (0, 1)
        ]
        assert [each == generation for each in (0, 1)] == [
            questions.expected(active, question)["allowed"] for question in asked
        ]


def test_policies_are_found_by_url_as_by_name() -> None:
    """What is measured with a URL is decided by the same policy as with a name."""
    active = questions.active(questions.many_policies(50))
    asked = growth._spread(50, 50, 50)
    by_name, by_url = ([active.decide(query) for query in make(asked)] for make in (growth._named, growth._located))
    assert [decision.allowed for decision in by_url] == [True] * 50
    assert [decision.policy for decision in by_name] == [decision.policy for decision in by_url]


# What the load says.


def test_what_wrk_says_is_read() -> None:
    """The last line of the output is what was measured."""
    read = load.read(SAID % (0, 0))._replace(processor=0.001)
    assert (read.requests, read.rate, read.p99) == (20, 10.0, 0.004)
    assert read.microseconds == pytest.approx(50.0)


@pytest.mark.parametrize("said", [SAID % (1, 0), SAID % (0, 1), "unable to connect to 127.0.0.1:1\n", ""])
def test_errors_are_no_load(said: str) -> None:
    """A run with errors, or without any figure, is none."""
    with pytest.raises(RuntimeError):
        load.read(said)


def test_refusals_are_answers_where_they_are_meant() -> None:
    """A status from 400 on counts as an answer where that is what is measured."""
    assert load.read(SAID % (0, 20), refusals=True).requests == 20


@pytest.mark.parametrize(
    ("part", "figure"), [(0.0, 1.0), (0.5, 5.0), (0.9, 9.0), (0.99, 10.0), (0.999, 10.0), (1.0, 10.0)]
)
def test_percentiles(part: float, figure: float) -> None:
    """A percentile is the least figure that is not less than so many of all."""
    assert figure == open_loop.percentile([float(each) for each in range(10, 0, -1)], part)


def test_latencies_of_a_time() -> None:
    """Of a run, those requests are told that were due within a time."""
    latencies = Latencies(array("d", [1, 2, 3, 4]), array("d", [0.1, 0.2, 0.3, 0.4]), 0.0, 0.0)
    assert latencies.between(2, 3)[:2] == ([2, 3], [0.2, 0.3])


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b""])
def test_a_load_of_constant_rate_takes_no_other_answer(answer: bytes) -> None:
    """An error, an answer without a length and a closed connection end the run."""
    with serving(answer, []) as port, pytest.raises(RuntimeError):
        open_loop.send(port, [b"GET / HTTP/1.1\r\n\r\n"], 1000, 0.01, threading.Event())


def test_a_load_of_constant_rate_asks_at_its_times() -> None:
    """All requests are sent, in turn, each counted from its time, which does not depend on the answers."""
    received: list[bytes] = []
    requests = [b"GET /1 HTTP/1.1\r\n\r\n", b"GET /2 HTTP/1.1\r\n\r\n"]
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", received) as port:
        found, _ = open_loop.send(port, requests, 1000, 0.05, threading.Event())
    due, seconds = sorted(found[::2]), found[1::2]
    assert (50, sorted(requests * 25)) == (len(due), sorted(received))
    assert [pytest.approx(0.001)] * 49 == [after - before for before, after in pairwise(due)]
    assert min(seconds) > 0


def test_a_load_of_constant_rate_can_be_stopped() -> None:
    """Once it is stopped, it sends no more, and is done."""
    stopped = threading.Event()
    stopped.set()
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", []) as port:
        found, _ = open_loop.send(port, [b"GET / HTTP/1.1\r\n\r\n"], 1, 3600, stopped)
    assert not found


@pytest.mark.slow
@pytest.mark.skipif(not load.installed(), reason="there is no wrk")
@pytest.mark.parametrize("batch", [0, 20])
def test_wrk_sends_what_it_should(batch: int) -> None:
    """What never repeats never does, batches have their size, and the length of a body is what its head says."""
    received: list[bytes] = []
    items = [question.query() if batch else questions.single(question) for question in NEVER_REPEATED]
    with (
        serving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", received) as port,
        load.started(port, items, 2, 1, batch=batch) as process,
    ):
        assert load.finished(process).requests > 0
    bodies = [re.fullmatch(rb"POST .*\r\nContent-Length: (\d+)\r\n\r\n(.*)", one, re.DOTALL) for one in received]
    assert all(body is not None and int(body[1]) == len(body[2]) for body in bodies)
    queries = [json.loads(body[2]) for body in bodies if body]
    origins = [query["origin"] for one in queries for query in (one["queries"] if batch else [one])]
    assert len(origins) == len(set(origins)) == len(received) * (batch or 1)


@contextmanager
def serving(answer: bytes, received: list[bytes]) -> Iterator[int]:
    """Answer every request with the same until the block ends, or with an end of the connection; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=respond, args=(connection,)))
                threads[-1].start()

        def respond(connection: socket.socket) -> None:
            with closing(connection), connection.makefile("rb") as stream:
                while data := _one_request(stream):
                    received.append(data)
                    connection.sendall(answer)
                    if not answer:
                        return

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
    for thread in threads:
        thread.join()


def _one_request(stream: Any) -> bytes:
    """A request as it came, or nothing at the end."""
    head = b""
    try:
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return b""
            head += line
        length = re.search(rb"Content-Length: (\d+)", head)
        return head + bytes(stream.read(int(length[1])) if length else b"")
    except ConnectionError:
        return b""


# The peers.


@pytest.mark.parametrize("prepared", [True, False])
def test_starlette_answers_as_we_do(prepared: bool) -> None:
    """The same API in Starlette gives the same JSON, written at once or before."""
    application = starlette_api.application(PAIRS, prepared=prepared)
    answers = [_asked(application, "POST", "/v1/decision", [], question.query()) for question in MIX]
    assert [(200, answer) for answer in ANSWERS.values()] == [(status, json.loads(body)) for status, _, body in answers]


def test_plain_twisted_answers_as_we_do() -> None:
    """The same API in twisted.web gives the same JSON."""
    asking: Any = StubTreq(plain_twisted.Decisions(PAIRS))
    answers: list[Any] = []
    for question in MIX:
        answered = asking.post("http://cors.example/v1/decision", data=question.query())
        answered.addCallback(treq.json_content).addCallback(answers.append)
        asking.flush()
    assert list(ANSWERS.values()) == answers


def test_starlettes_middleware_decides_as_we_do() -> None:
    """Its own middleware allows the same preflights, and answers them."""
    application = starlette_cors.application()
    for question in PREFLIGHTS:
        lines = [tuple(line.split(": ", 1)) for line in question.headers()]
        status, headers, _ = _asked(application, "OPTIONS", "/catalogue/7", lines, b"")
        allowed = status == 200 and headers.get("access-control-allow-origin") == question.origin
        assert ANSWERS[question]["allowed"] is allowed


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_bare_protocol_answers_each_request_once(size: int) -> None:
    """However requests are cut into pieces, each gets the constant, in one piece."""
    protocol, transport = bare.Constant(), StringTransport()
    transport.setTcpNoDelay = lambda _: None  # type: ignore[attr-defined]
    protocol.answer = b"constant;"
    protocol.makeConnection(transport)
    sent = b"".join(questions.single(question) for question in MIX[:3])
    for begin in range(0, len(sent), size):
        protocol.dataReceived(sent[begin : begin + size])
    assert transport.value() == b"constant;" * 3


def test_middleware_abroad_is_left_out_where_its_language_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no Go and no Node, the table says which program is missing."""
    monkeypatch.setattr(foreign, "BUILDS", {"node": _missing("npm"), "go": _missing("go")})
    found, missing = foreign.measure([], [], microseconds=1, rounds=1)
    assert (
        found,
        missing,
    ) == ({}, {"express cors": "there is no npm", "rs/cors": "there is no go", "jub0bs/cors": "there is no go"})


def test_middleware_abroad_is_measured_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a language is measured to cost is the median of its rounds, case by case."""
    turns = iter([[1.0, 9.0], [3.0, 8.0], [2.0, 7.0]])

    def ask(*_: object) -> dict[str, Foreign]:
        return {"rs/cors": Foreign("1", next(turns), [["a"], [None]])}

    monkeypatch.setattr(foreign, "BUILDS", {"go": lambda: ["peers"]})
    monkeypatch.setattr(foreign, "ask", ask)
    found, _ = foreign.measure([], [Case(0, []), Case(0, [])], microseconds=1, rounds=3)
    assert found == {"rs/cors": Foreign("1", [2.0, 8.0], [["a"], [None]])}


def test_lock_files_name_no_registry() -> None:
    """What pins the peers' versions says nothing of where they are fetched."""
    directory = foreign.HERE / "peers"
    for name in ("go/go.mod", "go/go.sum", "node/package.json", "node/package-lock.json"):
        text = (directory / name).read_text(encoding="utf-8")
        assert not re.search(r"resolved|registry|proxy|https?://(?!opencollective\.com/)", text), name


def _missing(program: str) -> Any:
    def build() -> list[str]:
        raise foreign.Missing(f"there is no {program}")

    return build


def _asked(
    application: Any, method: str, path: str, lines: Sequence[Sequence[str]], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Ask an ASGI application that waits for nothing; give status, headers and body."""
    sent: list[dict[str, Any]] = []
    headers = [(name.lower().encode(), value.encode()) for name, value in lines]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers, "root_path": ""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    _run(application(scope, receive, send))
    start, *pieces = sent
    given = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], given, b"".join(piece.get("body", b"") for piece in pieces)


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)


# The report.

PARTS = {
    "throughput": Part(
        "throughput",
        "| a |\n",
        [Target("rate", 1.6, "times", 2.0, at_least=True)],
        {"connections": [1, 4, 256], "curves": {SINGLE: [1.0, 2, 3], STARLETTE: [1.0, 2, 2], BARE: [2.0, 4, 6]}},
    ),
    "latency": Part(
        "latency", "| b |\n", [], {"rates": [100.0, 200.0], "curves": {"p50": [0.1, 0.2], "p99.9": [1.0, 30.0]}}
    ),
    "growth": Part(
        "growth",
        "| c |\n",
        [],
        {"origins": {"allowed actual": [(1, 1.0), (1_000_000, 1.2)]}, "policies": {"by URL": [(1, 2.0), (1000, 2.5)]}},
    ),
}


def test_parts_are_kept(tmp_path: Path) -> None:
    """What a part found is read as it was written, and there is nothing of a part that was never run."""
    figures.save(PARTS["throughput"], tmp_path)
    assert figures.load("throughput", tmp_path) == PARTS["throughput"]
    assert figures.load("latency", tmp_path) is None


def test_every_target_has_a_line() -> None:
    """Each target is told, and each part that was not run is named."""
    lines = report.verdicts(PARTS)
    assert lines[0] == str(PARTS["throughput"].targets[0])
    assert [f"NOT RUN: {name}" for name in report.PARTS if name not in PARTS] == lines[1:]


def test_what_people_wrote_stays() -> None:
    """Only what stands between the marks is replaced, time and again."""
    document = (
        "# Title\n\n<!-- measured: one -->\nold\n<!-- end -->\n\nProse.\n\n<!-- measured: two -->\n<!-- end -->\n"
    )
    expected = document.replace("\nold\n", "\n\nnew\n\n")
    assert expected == report.written(document, {"one": "new\n"})
    assert expected == report.written(expected, {"one": "new\n"})


def test_a_text_without_a_place_is_an_error() -> None:
    """What has no mark in the document is not lost in silence."""
    with pytest.raises(ValueError, match="no mark for three"):
        report.written("<!-- measured: one -->\n<!-- end -->\n", {"three": ""})


def test_the_document_has_a_place_for_everything() -> None:
    """docs/performance.md has a mark for each part, the machine and the targets, and no other."""
    marks = re.findall(r"<!-- measured: (\w+) -->", report.DOCUMENT.read_text(encoding="utf-8"))
    assert sorted([*report.PARTS, "machine", "targets"]) == sorted(marks)


def test_the_document_shows_every_plot() -> None:
    """docs/performance.md shows each plot that is drawn."""
    shown = re.findall(r"!\[[^]]+\]\(performance/(\w+)\.svg\)", report.DOCUMENT.read_text(encoding="utf-8"))
    assert sorted(plots.PLOTS) == sorted(shown)


def test_plots_are_well_formed_and_the_same_each_time(tmp_path: Path) -> None:
    """A plot is XML with its text as text, and the same figures give the same bytes."""
    first, again = (plots.draw(PARTS, tmp_path / name) for name in ("first", "again"))
    assert sorted(plots.PLOTS) == sorted(path.stem for path in first)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    for path in first:
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert texts & {"connections", "requests a second", "origins"}
        assert "date" not in path.read_text(encoding="utf-8").lower()


def test_a_part_that_was_not_run_is_not_drawn(tmp_path: Path) -> None:
    """There is no plot of what was not measured."""
    assert [path.name for path in plots.draw({"growth": PARTS["growth"]}, tmp_path)] == ["cost.svg"]


# Moves between files.


def test_the_way_of_a_document_is_counted(tmp_path: Path) -> None:
    """Moves are counted where a function calls into another file, and the files are those of the product."""
    traced = hops.Traced(Path(hops.__file__).parents[1], tmp_path)
    trip = hops.document(traced)
    files = {file for _, before, file in traced.moves(0, float("inf")) for file in (before, file) if file}
    assert {"cli/_decide.py", "grammar/origin.py"} <= files
    assert trip.processes == 1
    assert trip.moves > trip.files > 5


def test_moves_are_calls_from_one_file_to_another() -> None:
    """A call within a file is not a move, and neither is one that nothing in the product made."""
    moves = Counter({("1", "a.py", "b.py"): 3, ("1", "b.py", "b.py"): 5, ("2", "", "a.py"): 1})
    assert hops.trip_of("x", moves) == hops.Trip("x", moves=3, files=2, processes=2)
