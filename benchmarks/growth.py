"""What a decision costs in process, by the number of origins of its policy, and by the number of policies."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import decide, questions
from benchmarks.decide import KINDS, VARIANTS, WORKING, Contender, Kind, Request, Size, Task, measured
from benchmarks.figures import Part, table
from benchmarks.plan import Plan
from benchmarks.targets import Target, furthest
from cors_service.decision import ActivePolicies, Query
from cors_service.policy import read_document

ACTUAL: Final = Kind(preflight=False, allowed=True)
NAME, URL = "by name", "by URL"
NAMES: Final = b"access-control-request-headers"
# Distinct requests of a round; see Plan of decide.
_POOL: Final = 5_000


class Point(NamedTuple):
    """A place in a plot.

    Attributes:
        line: It belongs to.
        size: Of origins or policies, how many.
    """

    line: str
    size: int


class Form(NamedTuple):
    """A form of pattern.

    Attributes:
        name: Of its line.
        pattern: With the place of a number.
        origin: One that the pattern of this number covers.
    """

    name: str
    pattern: str
    origin: str


# The numbers of all are equally long, in decimal and hexadecimal digits.
FORMS: Final = [
    Form("globs", "https://site{:07}-*.example.com", "https://site{:07}-pr-17.example.com"),
    Form("globs of many domains", "https://app-*.site{:07}.example", "https://app-17.site{:07}.example"),
    Form("ranges of addresses", "http://[fd00:1{:03x}::]/32", "http://[fd00:1{:03x}::7]"),
    Form("any host", "app-{:07}://*", "app-{:07}://x17"),
    Form("bound labels", "https://<tenant>.site{:07}.example", "https://acme.site{:07}.example"),
]
TENANT: Final = "https://acme.api.example.com/"


def by_forms(counts: Sequence[int]) -> Iterator[tuple[Point, Task]]:
    """An allowed actual request, of a policy with so many patterns of a form."""
    for form, count in product(FORMS, counts):
        policy = {
            "match": ["<tenant>.api.example.com/"],
            "origins": [form.pattern.format(number) for number in range(count)],
            "methods": decide.METHODS,
        }
        active = ActivePolicies(read_document({"version": 1, "policies": {"p": policy}}))
        contender = Contender(partial(_of_tenant, count, form), active.decide, decide._allows)
        _check_form(contender)
        yield Point(form.name, count), Task(partial(decide.fresh, ACTUAL, Size(count)), contender, _POOL)


def by_origins(counts: Sequence[int]) -> Iterator[tuple[Point, Task]]:
    """Each kind of decision, of a policy with so many origins."""
    for count in counts:
        size = Size(count)
        contender = decide.ours(decide.compiled(size.patterns()))
        for kind in KINDS:
            yield Point(str(kind), count), Task(partial(decide.fresh, kind, size), contender, _POOL)


def by_policies(counts: Sequence[int]) -> Iterator[tuple[Point, Task]]:
    """An allowed actual request, its policy found by its name or by the URL, among so many policies.

    Those that are asked about are a few, as the pages that are open at one time are; or, cold, as many as requests.
    """
    for count in counts:
        active = questions.active(questions.many_policies(count))
        for name, prepare in ((NAME, _named), (URL, _located)):
            contender = Contender(prepare, active.decide, decide._allows)
            _check(contender, count)
            for line, asked in ((name, WORKING), (f"{name}, cold", _POOL)):
                yield Point(line, count), Task(partial(_spread, count, asked), contender, _POOL)


def measure(plan: Plan, _: Path) -> Part:
    """Measure all points in turn, round after round."""
    most = plan.policies * 10
    origins = measured(dict(by_origins([1, 10, 1_000, plan.policies, most])), plan.rounds)
    policies = measured(dict(by_policies([1, 10, 1_000, plan.policies])), plan.rounds)
    added = policies[Point(URL, plan.policies)] - policies[Point(NAME, plan.policies)]
    cold = policies[Point(f"{URL}, cold", plan.policies)] - policies[Point(f"{NAME}, cold", plan.policies)]
    what = f"a policy found by URL among {plan.policies:,}, more than by its name"
    target = Target(what, 3, "µs", added, note=f"{cold:.2f} where each query is about another policy")
    forms = measured(dict(by_forms([1, 1_000])), plan.rounds)
    ratios = {form.name: forms[Point(form.name, 1_000)] / forms[Point(form.name, 1)] for form in FORMS}
    targets = [target, furthest("a decision among 1,000 patterns of a form", 1.5, "times that of one", ratios)]
    text = "\n".join([*_table("origins", origins), *_table("patterns", forms), *_table("policies", policies)])
    return Part("growth", text, targets, {"origins": _lines(origins), "policies": _lines(policies)}, plan.quick)


def _spread(policies: int, asked: int, count: int) -> list[Request]:
    """Distinct requests about so many of all policies, in an order that no cache foresees.

    They differ as those of decide.py do, by their name or their URL alike, so that none is remembered.
    """
    numbers = [index % asked * policies // asked for index in range(count)]
    random.Random(0).shuffle(numbers)
    return [
        Request(method, [(b"origin", b"https://app1.site%06d.example" % number), (NAMES, names)])
        for number, (method, names) in zip(numbers, VARIANTS, strict=False)
    ]


def _named(requests: Sequence[Request]) -> list[Query]:
    return [Query.received("PUT", lines, policy=f"catalogue{number}") for number, lines in _read(requests)]


def _located(requests: Sequence[Request]) -> list[Query]:
    return [
        Query.received("PUT", lines, url=f"https://api{number}.example.com/catalogue/7")
        for number, lines in _read(requests)
    ]


def _of_tenant(count: int, form: Form, requests: Sequence[Request]) -> list[Query]:
    """The queries of the requests, from origins that patterns of a form cover, to a host that binds a label."""
    origins = [form.origin.format(number * 997 % count).encode() for number in range(len(requests))]
    return [
        Query.received(request.method.decode(), [("Origin", origin.decode())], policy="p", url=TENANT)
        for request, origin in zip(requests, origins, strict=True)
    ]


def _check_form(contender: Contender) -> None:
    requests = decide.fresh(ACTUAL, Size(1), 20)
    for query in contender.prepare(requests):
        assert contender.allows(contender.decide(query)) == query.origins[0]


def _read(requests: Sequence[Request]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The number of the policy and the headers of each request."""
    for request in requests:
        lines = [(name.decode(), value.decode()) for name, value in request.headers]
        yield lines[0][1][len("https://app1.site") : -len(".example")], lines


def _check(contender: Contender, policies: int) -> None:
    requests = _spread(policies, 20, 20)
    for request, prepared in zip(requests, contender.prepare(requests), strict=True):
        assert contender.allows(contender.decide(prepared)) == request.headers[0][1].decode()


def _lines(figures: dict[Point, float]) -> dict[str, list[tuple[int, float]]]:
    names = dict.fromkeys(point.line for point in figures)
    return {name: [(point.size, figure) for point, figure in figures.items() if point.line == name] for name in names}


def _table(what: str, figures: dict[Point, float]) -> list[str]:
    counts = list(dict.fromkeys(point.size for point in figures))
    return table(
        [f"µs a decision, by the number of {what}", *(f"{count:,}" for count in counts)],
        [[name, *(f"{figure:.2f}" for _, figure in line)] for name, line in _lines(figures).items()],
    )
