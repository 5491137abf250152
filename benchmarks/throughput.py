"""How many requests a second: we, and what people would use instead, on one core."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import mean, median
from typing import Any, Final, NamedTuple

from benchmarks import opa, questions
from benchmarks.figures import Part, table
from benchmarks.foreign import Missing
from benchmarks.load import Load, send
from benchmarks.plan import Plan
from benchmarks.processes import Server, peer, running, service
from benchmarks.questions import BATCH, MIX, NEVER_REPEATED, PREFLIGHTS, Question
from benchmarks.targets import Target, number

SINGLE: Final = "ours: POST /v1/decision"
SINGLE_NEW: Final = "ours: POST /v1/decision, no query twice"
STARLETTE: Final = "Starlette on uvicorn, the same API, JSONResponse"
STARLETTE_PREPARED: Final = "Starlette on uvicorn, the same API, prepared answers"
PLAIN: Final = "twisted.web as it comes with json, the same API"
BARE: Final = "a bare Protocol of Twisted on httptools, a constant"
OPA: Final = "OPA, the same policy in Rego"
AS_OPA: Final = "ours, asked as OPA is"
FORWARD: Final = "ours: GET /v1/forward-auth, preflights"
FORWARD_NEW: Final = "ours: GET /v1/forward-auth, preflights, no origin twice"
MIDDLEWARE: Final = "Starlette's CORSMiddleware on uvicorn, preflights"
BATCHED: Final = f"ours: POST /v1/decisions, {BATCH} queries"
BATCHED_NEW: Final = f"ours: POST /v1/decisions, {BATCH} queries, none twice"
BESIDE_OPA: Final = "a decision a request, beside OPA"
JSON: Final = {"Content-Type": "application/json"}
CONNECTIONS: Final = (1, 4, 16, 32, 64, 128, 256)


class Contender(NamedTuple):
    """Somebody who is asked.

    Attributes:
        server: Who it is.
        requests: What is sent, in turn, or the queries of the batches that are.
        batch: How many queries each of them has, or 0.
        refusals: Whether a status from 400 on is an answer, too.
    """

    server: Server
    requests: Sequence[bytes]
    batch: int = 0
    refusals: bool = False

    def measure(self, seconds: int, connections: int = 32) -> Load:
        """Load it for so many seconds."""
        return send(self.server, self.requests, seconds, connections, batch=self.batch, refusals=self.refusals)


def contenders(stack: ExitStack, directory: Path) -> dict[str, Contender]:
    """Start everybody who can be had, and make sure that their answers are right.

    Args:
        stack: What ends them.
        directory: For what they read and write.
    """

    def start(name: str, command: Sequence[str]) -> Server:
        return stack.enter_context(running(command, directory / f"{name}.log"))

    policies = questions.write(questions.document(), directory / "policies.json")
    ours = start("ours", service(policies))
    active = questions.active(questions.document())
    answers = {question: questions.expected(active, question) for question in MIX}
    pairs = directory / "answers.json"
    pairs.write_text(json.dumps([[json.loads(question.query()), answer] for question, answer in answers.items()]))
    constant = directory / "constant"
    constant.write_bytes(raw_answer(ours, MIX[0]))
    starlette = start("starlette", peer("starlette_api", str(pairs)))
    prepared = start("prepared", peer("starlette_api", str(pairs), "--prepared"))
    plain = start("plain", peer("plain_twisted", str(pairs)))
    bare = start("bare", peer("bare", str(constant)))
    middleware = start("middleware", peer("starlette_cors"))
    asked_as_opa: dict[str, Contender] = {}
    with suppress(Missing):
        theirs = start("opa", opa.command(opa.build(), questions.document(), directory))
        check_as_opa(ours, theirs)
        requests = [questions.post(opa.PATH, b'{"input": %s}' % question.query()) for question in MIX]
        asked_as_opa = {AS_OPA: Contender(ours, requests), OPA: Contender(theirs, requests)}
    for server in (ours, starlette, prepared, plain):
        check_decisions(server, answers)
    check_batch(ours, answers)
    check_preflights(ours, answers, lambda question: ("GET", f"/v1/forward-auth/{question.policy}", FORWARDED))
    check_preflights(middleware, answers, lambda _: ("OPTIONS", "/catalogue/7", {}))
    assert len(bare.ask("POST", "/v1/decision", MIX[0].query())[2]) == len(ask(ours, MIX[0]))
    single = [questions.single(question) for question in MIX]
    return {
        SINGLE: Contender(ours, single),
        SINGLE_NEW: Contender(ours, [questions.single(question) for question in NEVER_REPEATED]),
        STARLETTE: Contender(starlette, single),
        STARLETTE_PREPARED: Contender(prepared, single),
        PLAIN: Contender(plain, single),
        BARE: Contender(bare, single),
        **asked_as_opa,
        FORWARD: Contender(ours, [question.forwarded() for question in PREFLIGHTS], refusals=True),
        FORWARD_NEW: Contender(ours, [question.forwarded() for question in NEVER_REPEATED if question.names]),
        MIDDLEWARE: Contender(middleware, [question.preflight() for question in PREFLIGHTS], refusals=True),
        BATCHED: Contender(ours, [question.query() for question in MIX], BATCH),
        BATCHED_NEW: Contender(ours, [question.query() for question in NEVER_REPEATED], BATCH),
    }


FORWARDED: Final = {
    "X-Forwarded-Method": "OPTIONS",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "api.example.com",
    "X-Forwarded-Uri": "/catalogue/7",
}


def ask(server: Server, question: Question) -> bytes:
    """The body of the answer to a question."""
    status, _, body = server.ask("POST", "/v1/decision", question.query(), JSON)
    assert status == 200, body
    return body


def raw_answer(server: Server, question: Question) -> bytes:
    """All bytes of an answer, as somebody would have to write them who knew it beforehand."""
    _, headers, body = server.ask("POST", "/v1/decision", question.query(), JSON)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode("latin-1") + body


def check_decisions(server: Server, answers: dict[Question, Any]) -> None:
    """Make sure that a server answers as it must; a hint for people may be added.

    Raises:
        AssertionError: It does not.
    """
    for question, answer in answers.items():
        assert questions.answered(ask(server, question)) == answer, question


def check_as_opa(ours: Server, theirs: Server) -> None:
    """Make sure that OPA decides as we do, asked with the same bytes.

    Raises:
        AssertionError: It does not.
    """
    for question in MIX:
        body = b'{"input": %s}' % question.query()
        answers = [server.ask("POST", opa.PATH, body, JSON) for server in (ours, theirs)]
        results = [json.loads(answer)["result"] for _, _, answer in answers]
        assert opa.same(*results), (question, results)


def check_batch(server: Server, answers: dict[Question, Any]) -> None:
    """Make sure that a batch is answered as its queries are, one by one.

    Raises:
        AssertionError: It is not.
    """
    body = questions.batch_body(list(answers))
    _, _, answer = server.ask("POST", "/v1/decisions", body, JSON)
    assert json.loads(answer) == {"decisions": list(answers.values())}


def check_preflights(
    server: Server, answers: dict[Question, Any], asked: Callable[[Question], tuple[str, str, dict[str, str]]]
) -> None:
    """Make sure that preflights are allowed and refused as they must be.

    Args:
        server: Who answers them.
        answers: The decisions.
        asked: The method, path and headers by which the server is asked about one.

    Raises:
        AssertionError: One of them is not.
    """
    for question in PREFLIGHTS:
        method, path, headers = asked(question)
        own = dict(line.split(": ", 1) for line in question.headers())
        status, given, _ = server.ask(method, path, None, headers | own)
        origin = {name.lower(): value for name, value in given.items()}.get("access-control-allow-origin")
        # Starlette refuses by the status, and we by saying nothing.
        assert (status < 300 and origin == question.origin) is answers[question]["allowed"], (question, status)


def measure(plan: Plan, directory: Path) -> Part:
    """Measure everybody in turn, round after round; then some of them by the number of connections."""
    with ExitStack() as stack:
        everybody = contenders(stack, directory)
        for contender in everybody.values():
            contender.measure(plan.warming)
        rounds = [{name: one.measure(plan.seconds) for name, one in everybody.items()} for _ in range(plan.rounds)]
        curves = by_connections({name: everybody[name] for name in (SINGLE, STARLETTE, BARE)}, plan)
    loads = {name: [turn[name] for turn in rounds] for name in everybody}
    decisions = {name: contender.batch or 1 for name, contender in everybody.items()}
    rates = {name: median(load.rate for load in found) * decisions[name] for name, found in loads.items()}
    costs = {name: median(load.microseconds for load in found) / decisions[name] for name, found in loads.items()}
    size = round(mean(len(question.query()) for question in MIX))
    text = "\n".join(
        [
            f"{plan.rounds} rounds of {plan.seconds} s, 32 connections; a query has {size} bytes on average.",
            "",
            *table(
                [
                    "32 connections",
                    "decisions a second",
                    "µs of CPU each",
                    "rate / Starlette",
                    "Starlette / µs",
                ],
                [
                    [
                        name,
                        f"{rates[name]:,.0f}",
                        f"{costs[name]:.2f}",
                        f"{rates[name] / rates[STARLETTE]:.2f}",
                        f"{costs[STARLETTE] / costs[name]:.2f}",
                    ]
                    for name in rates
                ],
            ),
        ]
    )
    data = {"rates": rates, "connections": CONNECTIONS, "curves": curves}
    return Part("throughput", text, targets(loads, rates), data, plan.quick)


def by_connections(some: dict[str, Contender], plan: Plan) -> dict[str, list[float]]:
    """Requests a second at each number of CONNECTIONS, by contender."""
    turns = [
        {
            name: [contender.measure(plan.short, connections).rate for connections in CONNECTIONS]
            for name, contender in some.items()
        }
        for _ in range(min(plan.rounds, 3))
    ]
    return {name: [median(rates) for rates in zip(*(turn[name] for turn in turns), strict=True)] for name in some}


def targets(loads: dict[str, list[Load]], rates: dict[str, float]) -> list[Target]:
    """What is to be reached.

    Args:
        loads: What each round came to, by contender.
        rates: The medians, in decisions a second.
    """

    def beside(one: str, other: str) -> float:
        """The median of the ratios of the rounds, so that what slowed a round down is on both sides."""
        return median(mine.rate / theirs.rate for mine, theirs in zip(loads[one], loads[other], strict=True))

    def computed(one: str, other: str) -> str:
        """The same by what a request costs the processor."""
        pairs = zip(loads[one], loads[other], strict=True)
        times = median(theirs.microseconds / mine.microseconds for mine, theirs in pairs)
        return f"{number(times)} by CPU time"

    prepared = f"{number(beside(SINGLE, STARLETTE_PREPARED))} with prepared answers"
    new = f"{number(rates[BATCHED_NEW])} if no query repeats"
    times = {name: beside(name, single) * BATCH for name, single in ((BATCHED, SINGLE), (BATCHED_NEW, SINGLE_NEW))}
    times_new = f"{number(times[BATCHED_NEW])} if no query repeats, single or in a batch"

    def beside_opa() -> Target:
        if OPA in loads:
            dialect = f"{number(beside(AS_OPA, OPA))} asked by the same bytes"
            return ratio(BESIDE_OPA, 4, SINGLE, OPA, dialect)
        return Target(BESIDE_OPA, 4, "times", None, at_least=True, note="Go could not build OPA's server")

    def at_least(what: str, wanted: float, unit: str, figure: float, note: str) -> Target:
        return Target(what, wanted, unit, figure, at_least=True, note=note)

    def ratio(what: str, wanted: float, one: str, other: str, *notes: str) -> Target:
        return at_least(what, wanted, "times", beside(one, other), "; ".join([computed(one, other), *notes]))

    return [
        ratio("a decision a request, beside Starlette on uvicorn", 1.6, SINGLE, STARLETTE, prepared),
        ratio("a decision a request, beside a bare Protocol", 0.55, SINGLE, BARE),
        beside_opa(),
        ratio("forward-auth, beside Starlette's CORSMiddleware", 1, FORWARD, MIDDLEWARE),
        at_least(f"batches of {BATCH}", 250_000, "decisions/s", rates[BATCHED], new),
        at_least(f"batches of {BATCH}, beside single ones", 12, "times", times[BATCHED], times_new),
    ]
