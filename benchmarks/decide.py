"""What a decision costs in process, beside middleware of Python, Node and Go; README.md explains the rows.

Rounds alternate between everybody who is measured, and each figure is the median of its rounds: what else the
machine does in the meantime falls on all alike. The time of decisions is that of the processor, not of the wall.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import cycle, islice, permutations, product
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final, NamedTuple, TypeVar

if __name__ == "__main__":
    # In place of this directory, whose http.py is not the library's.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.figures import Part, save, table
from benchmarks.foreign import PEERS as ABROAD_PEERS
from benchmarks.foreign import Case, Foreign, measure
from benchmarks.machine import processor
from benchmarks.targets import Target, furthest
from cors_service.asking.local import LocalDecider
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.policy import Source, read_document, read_sources

METHODS: Final = ["DELETE", "PATCH", "POST", "PUT"]
NAMES: Final = [f"x-name-{letter}" for letter in "abcdefghij"]
EXPOSED: Final = ["x-total", "x-page"]
MAX_AGE: Final = 600
ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"

# A policy of one origin can't be asked about thousands of them, so its queries have to differ in something else; and to
# be comparable, all queries differ in that: in the method, and in which four of ten header names are asked for, in
# which order. All of them are listed in the policy, and each choice is the same work. Only preflights have such a
# list, in truth; to pass over it in an actual request costs us a little, and the peers nothing.
VARIANTS: Final = [
    (method.encode(), ",".join(names).encode()) for method, names in product(METHODS, permutations(NAMES, 4))
]
# Origins that no policy has start here; what is written is of one length everywhere.
FOREIGN: Final = 1_000_000
# Origins that send requests at the same time, whatever the number of those that may.
WORKING: Final = 256
# Requests of a round of what is one request, time and again.
REPEATS: Final = 5_000
# Microseconds that a round of a peer takes, roughly, and the requests that it has at least.
PEER_ROUND: Final = 40_000
PEER_REQUESTS: Final = 32


class Plan(NamedTuple):
    """How much is measured.

    Attributes:
        many: Origins of the largest policy.
        pool: Distinct requests of a round.
        rounds: How many to take the median of.
        abroad: Microseconds for which middleware in other languages is measured in a round.
    """

    many: int
    pool: int
    rounds: int
    abroad: int


FULL: Final = Plan(1_000_000, 6_000, 11, 300_000)
QUICK: Final = Plan(10_000, 9_000, 1, 50_000)
# The table that later ones are held against, of a full run before a change.
BEFORE: Final = Path(__file__).with_name("before.json")
# Distinct requests that middleware in other languages is asked with.
ABROAD: Final = 1_000


class Request(NamedTuple):
    """What is received, as a server has it; there are no headers but those of CORS."""

    method: bytes
    headers: list[tuple[bytes, bytes]]


class Kind(NamedTuple):
    """A kind of decision."""

    preflight: bool
    allowed: bool

    def __str__(self) -> str:
        return f"{'allowed' if self.allowed else 'refused'} {'preflight' if self.preflight else 'actual'}"


KINDS: Final = [Kind(preflight, allowed) for preflight in (True, False) for allowed in (True, False)]


@dataclass(frozen=True)
class Size:
    """How many origin patterns a policy has, and their form."""

    count: int
    wild: bool = False

    def __str__(self) -> str:
        return f"{self.count:,} {'wildcards' if self.wild else 'exact'}"

    def patterns(self) -> list[str]:
        """The origins of the policy; exact ones are written alike for everybody."""
        return [f"https://{'*.' if self.wild else ''}site{number:07}.example" for number in range(self.count)]

    def origin(self, number: int) -> bytes:
        """An origin, that of the policy's pattern of that number if there are so many."""
        return b"https://%ssite%07d.example" % (b"www." if self.wild else b"", number)


@dataclass(frozen=True)
class Contender:
    """Somebody who decides.

    Attributes:
        prepare: Turns requests into what `decide` takes; not timed.
        decide: Decides about one of them; timed.
        allows: The value of Access-Control-Allow-Origin in what `decide` returned, or None.
    """

    prepare: Callable[[Sequence[Request]], list[Any]]
    decide: Callable[[Any], Any]
    allows: Callable[[Any], str | None]


# The contenders. All allow the same origins, methods and header names, with credentials. Of what the peers do, only
# their work for CORS is timed, as directly as their public functions allow.


def ours(active: ActivePolicies) -> Contender:
    """This project: `ActivePolicies.decide` with a query that names its policy."""
    return Contender(_queries, active.decide, _allows)


def remembering(active: ActivePolicies) -> Contender:
    """This project, asked in the same process by an application: `LocalDecider.decide`."""
    return Contender(_queries, LocalDecider(_Holder(active), print).decide, _allows)


class _Holder(NamedTuple):
    active: ActivePolicies


def starlette(origins: Sequence[str], kind: Kind) -> Contender:
    """Starlette's middleware: its two methods that answer a preflight and amend the start of another answer.

    The coroutine of the latter is driven by hand: there is no event loop, application or server.
    """
    from starlette.datastructures import Headers
    from starlette.middleware.cors import CORSMiddleware

    async def ignore(*_: Any) -> None:
        pass

    middleware = CORSMiddleware(
        ignore,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=NAMES,
        allow_credentials=True,
        expose_headers=EXPOSED,
        max_age=MAX_AGE,
    )

    def prepare(requests: Sequence[Request]) -> list[Any]:
        return [({"type": "http.response.start", "headers": []}, Headers(raw=request.headers)) for request in requests]

    def amend(prepared: Any) -> Any:
        message, headers = prepared
        try:
            middleware.send(message, ignore, headers).send(None)
        except StopIteration:
            return message

    if kind.preflight:
        return Contender(
            lambda requests: [headers for _, headers in prepare(requests)],
            middleware.preflight_response,
            lambda response: response.headers.get(ALLOW_ORIGIN),
        )
    return Contender(prepare, amend, lambda message: Headers(raw=message["headers"]).get(ALLOW_ORIGIN))


def flask_cors(origins: Sequence[str], _: Kind) -> Contender:
    """Flask-CORS: `get_cors_headers`, which its extension calls; adding what it returns to a response is not timed."""
    from flask import Flask
    from flask_cors.core import get_cors_headers, get_cors_options
    from werkzeug.datastructures import EnvironHeaders

    options = get_cors_options(
        Flask("benchmark"),
        {
            "origins": origins,
            "methods": METHODS,
            "allow_headers": NAMES,
            "supports_credentials": True,
            "expose_headers": EXPOSED,
            "max_age": MAX_AGE,
        },
    )

    def prepare(requests: Sequence[Request]) -> list[Any]:
        return [(EnvironHeaders(_environ(request)), request.method.decode()) for request in requests]

    return Contender(
        prepare,
        lambda prepared: get_cors_headers(options, *prepared),
        lambda headers: headers.get(ALLOW_ORIGIN),
    )


def django_cors_headers(origins: Sequence[str], _: Kind) -> Contender:
    """Django-cors-headers: its middleware is called as Django would; what it wraps returns a response made before."""
    from operator import attrgetter

    from corsheaders.middleware import CorsMiddleware
    from django.conf import settings
    from django.http import HttpResponse
    from django.test import RequestFactory

    if not settings.configured:
        # Even what is as by default: each setting that is not written costs the middleware an exception.
        settings.configure(
            CORS_ALLOW_ALL_ORIGINS=False,
            CORS_ALLOWED_ORIGIN_REGEXES=[],
            CORS_ALLOW_CREDENTIALS=True,
            CORS_ALLOW_HEADERS=NAMES,
            CORS_ALLOW_METHODS=METHODS,
            CORS_ALLOW_PRIVATE_NETWORK=False,
            CORS_EXPOSE_HEADERS=EXPOSED,
            CORS_PREFLIGHT_MAX_AGE=MAX_AGE,
            CORS_URLS_REGEX=r"^.*$",
        )
    factory = RequestFactory()

    def prepare(requests: Sequence[Request]) -> list[Any]:
        # Settings are global; these requests are the next that are decided about.
        settings.CORS_ALLOWED_ORIGINS = origins
        return [prepared(request) for request in requests]

    def prepared(request: Request) -> Any:
        made = factory.generic(request.method.decode(), "/", **_environ(request))
        made.benchmark_response = HttpResponse()
        made.headers.get("origin")  # parsed at the first use, once a request, for whoever asks
        return made

    middleware = CorsMiddleware(attrgetter("benchmark_response"))
    return Contender(prepare, middleware, lambda response: response.get(ALLOW_ORIGIN))


PEERS: Final = {"starlette": starlette, "flask-cors": flask_cors, "django-cors-headers": django_cors_headers}
FRESH: Final = "ours, fresh"
COLD: Final = "ours, cold"
REPEATED: Final = "ours, repeated"
COLUMNS: Final = [FRESH, COLD, REPEATED, *PEERS]


def compiled(patterns: Iterable[str]) -> ActivePolicies:
    """A policy of these origins."""
    return ActivePolicies(read_document(_document(patterns)))


def _document(patterns: Iterable[str]) -> dict[str, Any]:
    policy = {
        "origins": list(patterns),
        "methods": METHODS,
        "request_headers": NAMES,
        "expose_headers": EXPOSED,
        "credentials": True,
        "max_age": MAX_AGE,
    }
    return {"version": 1, "policies": {"p": policy}}


def _queries(requests: Sequence[Request]) -> list[Query]:
    return [_query(*lines) for lines in _lines(requests)]


def _query(method: str, headers: Iterable[tuple[str, str]]) -> Query:
    return Query.received(method, headers, policy="p")


def _lines(requests: Iterable[Request]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (request.method.decode(), [(name.decode(), value.decode()) for name, value in request.headers])
        for request in requests
    ]


def _allows(decision: Decision) -> str | None:
    return dict(decision.headers).get(ALLOW_ORIGIN)


def _environ(request: Request) -> dict[str, str]:
    return {f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in request.headers}


# What is asked. Everything is made anew for each round, as it would be by a server: a string that was used before
# knows its hash, and is found by identity where a new one has to be compared.


def fresh(kind: Kind, size: Size, count: int) -> list[Request]:
    """Distinct requests of the pages that are in use at one time; their origins are spread over those of the policy."""
    return _distinct(kind, size, count, WORKING)


def cold(kind: Kind, size: Size, count: int) -> list[Request]:
    """Distinct requests, each of another origin, so that with a million the processor has to fetch each from afar."""
    return _distinct(kind, size, count, count)


def _distinct(kind: Kind, size: Size, count: int, origins: int) -> list[Request]:
    """Distinct requests of so many origins, spread evenly over the policy, in an order that no cache foresees."""
    numbers = [
        number % origins * size.count // origins if kind.allowed else FOREIGN + number % origins
        for number in range(count)
    ]
    random.Random(0).shuffle(numbers)
    return [_request(kind, size.origin(number), *variant) for number, variant in zip(numbers, VARIANTS, strict=False)]


def repeated(kind: Kind, size: Size, count: int) -> list[Request]:
    """One request, time and again."""
    return [_request(kind, size.origin(0 if kind.allowed else FOREIGN), *VARIANTS[0]) for _ in range(count)]


def _request(kind: Kind, origin: bytes, method: bytes, names: bytes) -> Request:
    headers = [(b"origin", origin), (b"access-control-request-headers", names)]
    if not kind.preflight:
        return Request(method, headers)
    return Request(b"OPTIONS", [*headers, (b"access-control-request-method", method)])


# 8 KiB of header names from people who mean no good, in the lines in which they come.
HOSTILE: Final = {
    "a hostile preflight: 8 KiB, commas": [b"," * 8192],
    "a hostile preflight: 8 KiB, spaces": [b" " * 8192],
    "a hostile preflight: 8 KiB, one name": [b"x" * 8192],
    "a hostile preflight: 8 KiB, 1,365 names": [b",".join(b"x%04d" % number for number in range(1365))],
    # With their own names, these lines are the 16 KiB of headers that Twisted's server takes.
    "a hostile preflight: 8 KiB, 240 lines": [b"x-name-%027d" % number for number in range(240)],
}
# The most that is read before a preflight is refused for its length.
LONGEST: Final = [b",".join([b"x-name-a" + b" " * 55] * 64)]


def asking_for(lines: list[bytes], count: int) -> list[Request]:
    """Preflights from an origin that is allowed, with these lines of header names."""
    fixed = [(b"origin", Size(1).origin(0)), (b"access-control-request-method", b"PUT")]
    asked = [(b"access-control-request-headers", line) for line in lines]
    return [Request(b"OPTIONS", fixed + asked) for _ in range(count)]


# Measuring.


@dataclass(frozen=True)
class Task:
    """A figure that is wanted.

    Attributes:
        requests: Makes so many requests.
        contender: Who decides about them.
        count: How many there are in a round.
    """

    requests: Callable[[int], list[Request]]
    contender: Contender
    count: int

    def microseconds(self) -> float:
        """Measure one round: once to fill the caches of the processor, once with a clock."""
        warming, prepared = (self.contender.prepare(self.requests(self.count)) for _ in range(2))
        decide = self.contender.decide
        # The collector runs, as it does in a service, but does not go through what the benchmark itself keeps.
        gc.collect()
        gc.freeze()
        for one in warming:
            decide(one)
        start = process_time()
        for one in prepared:
            decide(one)
        return (process_time() - start) / self.count * 1e6

    def fitted(self) -> Task:
        """The same with so many requests that a round takes PEER_ROUND, but no more than it has."""
        count = int(PEER_ROUND / replace(self, count=PEER_REQUESTS).microseconds())
        return replace(self, count=max(PEER_REQUESTS, min(count, self.count)))


class Cell(NamedTuple):
    """A place in the table of decisions."""

    kind: Kind
    size: Size
    who: str

    @property
    def row(self) -> str:
        """The name of its row."""
        return f"{self.kind}, {self.size}"


Key = TypeVar("Key")


def decision_tasks(sizes: Iterable[Size], peer_sizes: Iterable[Size], pool: int) -> Iterator[tuple[Cell, Task]]:
    """Each kind of decision at each size, by everybody; all are checked."""
    active = {size: compiled(size.patterns()) for size in sizes}
    origins = {size: size.patterns() for size in peer_sizes}
    for kind, size in product(KINDS, active):
        check(ours(active[size]), kind, size, FRESH)
        yield Cell(kind, size, FRESH), Task(partial(fresh, kind, size), ours(active[size]), pool)
        yield Cell(kind, size, COLD), Task(partial(cold, kind, size), ours(active[size]), pool)
        yield Cell(kind, size, REPEATED), Task(partial(repeated, kind, size), remembering(active[size]), REPEATS)
        for name, peer in PEERS.items() if size in origins else ():
            contender = peer(origins[size], kind)
            check(contender, kind, size, name)
            yield Cell(kind, size, name), Task(partial(fresh, kind, size), contender, pool).fitted()


def other_tasks() -> Iterator[tuple[str, Task]]:
    """Long preflights, and what it takes to make a query."""
    one = Size(1)
    contender = ours(compiled(one.patterns()))
    for shape, lines in HOSTILE.items():
        yield shape, Task(partial(asking_for, lines), contender, 500)
    yield "the longest preflight that is read: 4 KiB, 64 names", Task(partial(asking_for, LONGEST), contender, 500)
    received = Contender(_lines, lambda lines: _query(*lines), str)
    yield "making a query of header lines", Task(partial(fresh, KINDS[0], one), received, REPEATS)


def check(contender: Contender, kind: Kind, size: Size, name: str) -> None:
    """Make sure that what is measured is a decision, and the right one.

    Raises:
        AssertionError: It is another.
    """
    requests = fresh(kind, size, 50)
    for request, prepared in zip(requests, contender.prepare(requests), strict=True):
        expected = dict(request.headers)[b"origin"].decode() if kind.allowed else None
        answer = contender.allows(contender.decide(prepared))
        assert expected == answer, f"{name}: {kind} at {size}: {answer}"


def measured(tasks: dict[Key, Task], rounds: int) -> dict[Key, float]:
    """Measure every task in every round, one after the other; give the medians in microseconds."""
    found: dict[Key, list[float]] = defaultdict(list)
    for key, task in islice(cycle(tasks.items()), rounds * len(tasks)):
        found[key].append(task.microseconds())
    return {key: median(figures) for key, figures in found.items()}


def load(count: int) -> dict[str, float]:
    """Read a policy of so many origins from JSON and compile it, as at the start of a service."""
    text = json.dumps(_document(Size(count).patterns()))
    start = perf_counter()
    ActivePolicies(read_sources([Source("big.json", "json", text)]))
    seconds = perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, but bytes on macOS
    return {"seconds": seconds, "MiB": peak / (2**20 if sys.platform == "darwin" else 2**10)}


def load_in_child(count: int) -> dict[str, float]:
    """The same in a process of its own.

    A child's peak begins with the size of its parent, so this is done before the parent has grown.
    """
    command = [sys.executable, __file__, "--load", str(count)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


# Reporting.


def decision_rows(figures: dict[Cell, float]) -> Iterator[list[str]]:
    """The rows of the first table; a dash where nobody was measured."""
    for kind, size in dict.fromkeys((cell.kind, cell.size) for cell in figures):
        ours_fresh = Cell(kind, size, FRESH)
        columns = [figures.get(ours_fresh._replace(who=who)) for who in COLUMNS]
        ratios = [peer and peer / figures[ours_fresh] for peer in columns[3:]]
        yield [
            ours_fresh.row,
            *("–" if figure is None else f"{figure:.2f}" for figure in columns),
            *("–" if ratio is None else f"{ratio:.1f}" for ratio in ratios),
        ]


def targets(
    decisions: dict[Cell, float], others: dict[str, float], loaded: dict[str, float], many: Size
) -> Iterator[Target]:
    """What is to be reached in process."""
    rows = {who: {cell.row: figure for cell, figure in decisions.items() if cell.who == who} for who in COLUMNS}
    flat = {str(kind): decisions[Cell(kind, many, FRESH)] / decisions[Cell(kind, Size(1), FRESH)] for kind in KINDS}
    exact = {cell.row for cell in decisions if cell.kind == Kind(preflight=False, allowed=True) and not cell.size.wild}
    unseen = {row: rows[COLD][row] for row in exact}
    yield furthest(f"{many} beside 1, fresh", 1.3, "times", flat)
    yield furthest("an exact origin not seen before", 2, "µs", unseen)
    yield furthest("a repeated query", 0.6, "µs", rows[REPEATED])
    for name in PEERS:
        ratios = {row: figure / rows[FRESH][row] for row, figure in rows[name].items()}
        yield furthest(f"{name} beside ours, fresh", 1, "times", ratios, at_least=True)
    yield furthest("8 KiB of header names", 20, "µs", {shape: others[shape] for shape in HOSTILE})
    yield Target("loading", 15, "s", loaded["seconds"], note=str(many))
    yield Target("its peak of memory", 1024, "MiB", loaded["MiB"], note=str(many))


def not_worse(rows: dict[str, dict[str, list[float]]], plan: Plan) -> Target:
    """Our columns beside those of a run that was kept with --keep; the median over the sizes of each kind."""
    what, wanted, unit = "the table beside the one before", 1.1, "times"
    if plan is QUICK or not BEFORE.exists():
        return Target(what, wanted, unit, None, note="a full run and a table that was kept with --keep are needed")
    before = json.loads(BEFORE.read_text(encoding="utf-8"))
    if before["machine"] != processor():
        return Target(what, wanted, unit, None, note=f"the one before is of another machine: {before['machine']}")
    ratios = {
        f"{kind}, {who}": median(
            now / then for now, then in zip(rows[kind][who], before["rows"][kind][who], strict=True)
        )
        for kind in rows
        for who in (FRESH, COLD, REPEATED)
    }
    return furthest(what, wanted, unit, ratios)


# Middleware in other languages.


def abroad(plan: Plan, sizes: Sequence[Size]) -> tuple[list[tuple[Kind, Size]], dict[str, Foreign], dict[str, str]]:
    """Measure middleware in other languages; what it answers is checked.

    Returns:
        The rows; who was measured; and why the others were not.
    """
    rows = list(product(KINDS, sizes))
    policies = [_document(size.patterns())["policies"]["p"] for size in sizes]
    cases = [Case(sizes.index(size), abroad_requests(kind, size)) for kind, size in rows]
    found, missing = measure(policies, cases, microseconds=plan.abroad, rounds=min(plan.rounds, 3))
    for name, peer in found.items():
        for (kind, size), case, answers in zip(rows, cases, peer.answers, strict=True):
            expected = [request["headers"]["origin"] if kind.allowed else None for request in case.requests]
            assert answers == expected, f"{name}: {kind} at {size}"
    return rows, found, missing


def abroad_requests(kind: Kind, size: Size) -> list[dict[str, Any]]:
    """Fresh requests, their header names in the order in which browsers send them: the Go libraries take no other."""
    return [
        {"method": method, "headers": {name: ",".join(sorted(value.split(","))) for name, value in headers}}
        for method, headers in _lines(fresh(kind, size, ABROAD))
    ]


def abroad_rows(
    rows: Sequence[tuple[Kind, Size]], found: dict[str, Foreign], figures: dict[Cell, float]
) -> Iterator[list[str]]:
    """The rows of the table of other languages; a dash where nobody was measured."""
    for number, (kind, size) in enumerate(rows):
        ours_fresh = figures[Cell(kind, size, FRESH)]
        columns = [found[name].microseconds[number] if name in found else None for name in ABROAD_PEERS]
        yield [
            f"{kind}, {size}",
            f"{ours_fresh:.2f}",
            *("–" if figure is None else f"{figure:.2f}" for figure in columns),
            *("–" if figure is None else f"{figure / ours_fresh:.2f}" for figure in columns),
        ]


def report(plan: Plan) -> Part:
    """Measure everything and write it down."""
    loaded = load_in_child(plan.many)
    one, thousand, many = Size(1), Size(1000), Size(plan.many)
    foreign_rows, found, missing = abroad(plan, [one, thousand])
    sizes = [one, thousand, many, Size(1000, wild=True)]
    tasks: dict[Cell | str, Task] = {**dict(decision_tasks(sizes, [one, thousand], plan.pool)), **dict(other_tasks())}
    figures = measured(tasks, plan.rounds)
    decisions = {key: figure for key, figure in figures.items() if isinstance(key, Cell)}
    others = {key: figure for key, figure in figures.items() if isinstance(key, str)}
    versions = ", ".join(
        [
            *(f"{name} {version(name)}" for name in PEERS),
            *(f"{name} {peer.version}" for name, peer in found.items()),
            *(f"{name} not measured: {reason}" for name, reason in missing.items()),
        ]
    )
    lines = [
        f"Python {platform.python_version()} on {platform.machine()}, {versions}; rounds: {plan.rounds}.",
        "",
        *table(["µs a decision", *COLUMNS, *(f"{name} / {FRESH}" for name in PEERS)], decision_rows(decisions)),
        *table(
            ["µs a decision", FRESH, *ABROAD_PEERS, *(f"{name} / {FRESH}" for name in ABROAD_PEERS)],
            abroad_rows(foreign_rows, found, decisions),
        ),
        *table(["µs", "ours"], ([what, f"{figure:.2f}"] for what, figure in others.items())),
        *table(["loading from JSON", "s", "MiB"], [[str(many), f"{loaded['seconds']:.2f}", f"{loaded['MiB']:.0f}"]]),
    ]
    rows = {
        str(kind): {
            who: [round(figure, 3) for cell, figure in decisions.items() if cell.kind == kind and cell.who == who]
            for who in COLUMNS
        }
        for kind in KINDS
    }
    verdicts = [*targets(decisions, others, loaded, many), not_worse(rows, plan)]
    return Part("decide", "\n".join(lines), verdicts, {"rows": rows}, plan is QUICK)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, and 10,000 origins for 1,000,000")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report to this file, too")
    parser.add_argument("--keep", action="store_true", help="keep the table, for later runs to be held against")
    parser.add_argument("--load", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load is not None:
        print(json.dumps(load(arguments.load)))
        return
    part = report(QUICK if arguments.quick else FULL)
    save(part)
    if arguments.keep:
        BEFORE.write_text(json.dumps({"machine": processor(), **part.data}, indent=1) + "\n", encoding="utf-8")
    print(part, end="")
    if arguments.output is not None:
        arguments.output.write_text(str(part), encoding="utf-8")


if __name__ == "__main__":
    main()
