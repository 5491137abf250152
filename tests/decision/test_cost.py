"""Tests of what a decision costs, and what compiling does: the instructions of Python are counted, no time is taken.

What is done in C escapes the count (a look-up in a dictionary, a bisection, RE2); none of it is a scan of patterns.
"""

import gc
import sys
from collections.abc import Callable
from itertools import product
from types import CodeType, FrameType
from typing import Any

import pytest

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.decision._origins import MALFORMED, NOT_COVERED, OriginIndex
from cors_service.decision._router import Router
from cors_service.decision._urls import MAX_URL, candidates, parse_url
from cors_service.grammar.match import parse_match
from cors_service.grammar.pattern import OriginPattern
from tests.decision.queries import PAGE, active, asked, flat, ruled, sent
from tests.policy.documents import origin_patterns

# Each instruction costs a call of a function.
pytestmark = pytest.mark.slow


def instructions(work: Callable[[], object]) -> int:
    """Count the instructions of Python that a piece of work executes."""
    # Whatever Python calls when it collects garbage is not part of the work.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _executed(work)
    finally:
        if was_enabled:
            gc.enable()


if sys.version_info >= (3, 12):

    def _executed(work: Callable[[], object]) -> int:
        count = 0

        def note(code: CodeType, offset: int) -> None:
            nonlocal count
            count += 1

        tool, instruction = sys.monitoring.PROFILER_ID, sys.monitoring.events.INSTRUCTION
        sys.monitoring.use_tool_id(tool, "instructions")
        sys.monitoring.register_callback(tool, instruction, note)
        sys.monitoring.set_events(tool, instruction)
        try:
            work()
        finally:
            sys.monitoring.set_events(tool, sys.monitoring.events.NO_EVENTS)
            sys.monitoring.register_callback(tool, instruction, None)
            sys.monitoring.free_tool_id(tool)
        return count

else:

    def _executed(work: Callable[[], object]) -> int:
        count = 0

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal count
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
            count += event == "opcode"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            work()
        finally:
            sys.settrace(before)
        return count


def test_instructions_are_counted() -> None:
    """The yardstick of these tests shows a loop that grows."""
    few, many = (instructions(lambda n=n: [None for _ in range(n)]) for n in (10, 1000))  # type: ignore[misc]
    assert 50 * few < many


Rules = list[list[OriginPattern]]


def numbered(pattern: str) -> Callable[[int], Rules]:
    """Make one rule of as many patterns as wanted, with a number in each."""
    return lambda count: [origin_patterns(pattern.format(number) for number in range(1, count + 1))]


def one_rule_each(pattern: str) -> Callable[[int], Rules]:
    """Make as many rules as wanted of one pattern each."""
    return lambda count: [[each] for rule in numbered(pattern)(count) for each in rule]


FINDS: dict[str, tuple[Callable[[int], Rules], str, int]] = {
    "an exact origin": (numbered("https://n{}.example.com"), "https://n7.example.com", 0),
    "no exact origin": (numbered("https://n{}.example.com"), "https://other.example.com", NOT_COVERED),
    "one origin a rule": (one_rule_each("https://n{}.example.com"), "https://n7.example.com", 6),
    "a wildcard": (numbered("https://*.n{}.example.com"), "https://a.n7.example.com", 0),
    "a wildcard far below": (numbered("https://*.n{}.example.com"), "https://d.c.b.a.n7.example.com", 0),
    "no wildcard": (numbered("https://*.n{}.example.com"), "https://a.other.example.com", NOT_COVERED),
    "one wildcard a rule": (one_rule_each("https://*.n{}.example.com"), "https://a.n7.example.com", 6),
    "one label": (numbered("https://?.n{}.example.com"), "https://a.n7.example.com", 0),
    "any port": (numbered("http://n{}.example.com:*"), "http://n7.example.com:8080", 0),
    "a range of ports": (numbered("http://n{}.example.com:8000-8999"), "http://n7.example.com:8080", 0),
    "alternatives": (numbered("http://{{a,*}}.n{}.example.com:{{1,2}}"), "http://b.n7.example.com:2", 0),
    "a glob": (numbered("https://app-*-n{}.example.com"), "https://app-x-n7.example.com", 0),
    "a glob by its beginning": (numbered("https://n{}-*.example.com"), "https://n7-x.example.com", 0),
    "no glob": (numbered("https://n{}-*.example.com"), "https://other.example.com", NOT_COVERED),
    "globs of many domains": (numbered("https://app-*.n{}.example.com"), "https://app-x.n7.example.com", 0),
    "one glob a rule": (one_rule_each("https://n{}-*.example.com:*"), "https://n7-x.example.com", 6),
    "a range of addresses": (numbered("http://[fd00:{:x}::]/32"), "http://[fd00:7::1]", 0),
    "one range a rule": (one_rule_each("http://[fd00:{:x}::]/32"), "http://[fd00:7::1]", 6),
    "any host": (numbered("a{}://*"), "a7://a.example.com", 0),
    "addresses": (numbered("http://[::{:x}]:*"), "http://[::7]", 0),
    "wildcards of many schemes": (numbered("a{}://*.example.com"), "a7://a.example.com", 0),
    "no origin": (numbered("https://*.n{}.example.com"), "https://A.n7.example.com", MALFORMED),
}


@pytest.mark.parametrize(("rules", "origin", "found"), FINDS.values(), ids=FINDS)
def test_find(rules: Callable[[int], Rules], origin: str, found: int) -> None:
    """Finding the rule for an origin takes as many instructions among 10,000 patterns as among 10."""
    few, many = (OriginIndex.of((patterns, True) for patterns in rules(count)) for count in (10, 10_000))
    assert (found, found) == (few.find(origin), many.find(origin))
    assert instructions(lambda: few.find(origin)) == instructions(lambda: many.find(origin))


def test_find_among_ports() -> None:
    """Finding the rule for a port takes as many instructions among 1,000 intervals as among 10."""
    few, many = (OriginIndex.of([(numbered("app://*.example.com:{}")(n)[0], True)]) for n in (10, 1000))
    origin = "app://a.example.com:7"
    assert (few.find(origin), many.find(origin)) == (0, 0)
    assert instructions(lambda: few.find(origin)) == instructions(lambda: many.find(origin))


def nested(depth: int, port: str = "") -> OriginIndex:
    """Globs that stand within each other, by what they begin with and by what they end with."""
    globs = (
        f"https://{'a' * before}*{'b' * behind}.example.com{port}"
        for before, behind in product(range(1, depth + 1), repeat=2)
    )
    return OriginIndex.of([(origin_patterns(globs), True)])


@pytest.mark.parametrize("port", ["", ":8443"])
def test_find_among_nested_globs(port: str) -> None:
    """Among 400 globs within each other the first one is found, or the port that none has, as soon as among 4."""
    few, many = (nested(depth, port) for depth in (2, 20))
    origin = f"https://{'a' * 20}x{'b' * 20}.example.com"
    found = NOT_COVERED if port else 0
    assert (found, found) == (few.find(origin), many.find(origin))
    assert instructions(lambda: many.find(origin)) <= instructions(lambda: few.find(origin))


def test_find_no_nested_glob() -> None:
    """A label that no glob fits, for its underscore, takes one step for each beginning, and none for each glob."""
    few, many = nested(5), nested(20)
    origin = f"https://{'a' * 21}_{'b' * 21}.example.com"
    assert (few.find(origin), many.find(origin)) == (NOT_COVERED, NOT_COVERED)
    assert instructions(lambda: many.find(origin)) < 4 * instructions(lambda: few.find(origin))


def test_find_among_expressions() -> None:
    """Finding the rule for an origin takes as many instructions among 300 regular expressions as among 10."""
    few, many = (
        OriginIndex.of([(numbered(r"re:https://pr-[0-9]+\.n{}\.example\.com")(n)[0], True)]) for n in (10, 300)
    )
    origin = "https://pr-1.n7.example.com"
    assert (few.find(origin), many.find(origin)) == (0, 0)
    assert instructions(lambda: few.find(origin)) == instructions(lambda: many.find(origin))


COMPILED = (
    "https://n{}.example.com",
    "https://*.n{}.example.com",
    "app://*.example.com:{}",
    "app://*.example.com:1-{}",
    "https://n{}-*.example.com",
    "https://*-n{}.example.com",
    "http://[fd00:{:x}::]/32",
)


@pytest.mark.parametrize("pattern", COMPILED)
def test_compile(pattern: str) -> None:
    """Compiling three times as many patterns takes little more than three times as many instructions."""

    def cost(count: int) -> int:
        return instructions(lambda: OriginIndex.of([(numbered(pattern)(count)[0], True)]))

    assert cost(600) < 4 * cost(200)


def test_find_of_any_length() -> None:
    """An origin that is longer than any browser's costs the same however long it is."""
    index = OriginIndex.of([(origin_patterns(["https://*.example.com", "re:.*"]), True)])
    long, longer = (f"https://{'a.' * length}example.com" for length in (200, 200_000))
    assert instructions(lambda: index.find(long)) == instructions(lambda: index.find(longer))


def policies(count: int) -> ActivePolicies:
    """Compile this many policies, each with URLs of its own."""
    return active(
        **{
            f"p{number}": {"origins": [PAGE], "match": [f"n{number}.example/v1/", f"api.example/n{number}/"]}
            for number in range(count)
        }
    )


SELECTORS = {
    "by name": {"policy": "p7"},
    "by host": {"url": "https://n7.example/v1/x"},
    "by path": {"url": "https://api.example/n7/x/y/z"},
    "by both": {"policy": "p7", "url": "https://api.example/n7/x/y/z"},
}


@pytest.mark.parametrize("selector", SELECTORS.values(), ids=SELECTORS)
def test_policies(selector: dict[str, str]) -> None:
    """A decision takes as many instructions among 3,000 policies as among 10."""
    few, many = policies(10), policies(3_000)
    query = Query("GET", origins=(PAGE,), **selector)  # type: ignore[arg-type]
    assert few.decide(query).headers == many.decide(query).headers
    other = Query("HEAD", origins=(PAGE,), **selector)  # type: ignore[arg-type]
    assert instructions(lambda: few.decide(other)) == instructions(lambda: many.decide(other))


def test_lists_of_a_rule() -> None:
    """A preflight takes as many instructions where a rule lists 100 methods and headers as where it lists 10."""
    few, many = (
        flat(methods=[f"M{n}" for n in range(count)], request_headers=[f"x-{n}" for n in range(count)])
        for count in (10, 100)
    )
    query = asked(PAGE, "M7", "X-3,x-1", "x-7")
    assert instructions(lambda: few.decide(query)) == instructions(lambda: many.decide(query))


def test_names_asked_for() -> None:
    """A preflight's cost grows with the header names asked for no faster than their number."""
    any_header = flat(request_headers=["x-*"])
    few, many = (asked(PAGE, "GET", ",".join(f"X-{n}" for n in range(count))) for count in (8, 64))
    assert instructions(lambda: any_header.decide(many)) < 8 * instructions(lambda: any_header.decide(few))


FLOODS: dict[str, Callable[[int], tuple[str, ...]]] = {
    "commas": lambda size: ("," * size,),
    "blanks": lambda size: (" \t" * size,),
    "a long name": lambda size: ("a" * size,),
    "names": lambda size: ("a," * size,),
    "names outside ASCII": lambda size: ("\u212a," * size,),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_flood_of_names(flood: Callable[[int], tuple[str, ...]]) -> None:
    """What asks for more header names than browsers do costs the same however much more it asks for."""
    any_header = flat(request_headers=["*"])
    much, more = (asked(PAGE, "GET", *flood(size)) for size in (5_000, 500_000))
    assert any_header.decide(much).reason.code == any_header.decide(more).reason.code == "too-many-headers"
    again = ruled({"origins": [PAGE], "request_headers": ["*"]})
    assert instructions(lambda: again.decide(much)) == instructions(lambda: again.decide(more))


def test_flood_of_lines() -> None:
    """The cost of many lines grows no faster than their number."""
    any_header = flat(request_headers=["*"])
    much, more = (asked(PAGE, "GET", *("a",) * size) for size in (400, 4_000))
    assert instructions(lambda: any_header.decide(more)) < 11 * instructions(lambda: any_header.decide(much))


def test_flood_of_origins() -> None:
    """The cost of many Origin lines grows no faster than their number."""
    closed = flat()
    much, more = (sent(*(PAGE,) * size) for size in (400, 4_000))
    assert instructions(lambda: closed.decide(more)) < 11 * instructions(lambda: closed.decide(much))


URLS = {
    "a path of many segments": "https://api.example/" + "a/" * 4_000,
    "a path of many parameters": "https://api.example/" + ";a" * 4_000,
    "a path of many escapes": "https://api.example/" + "%21" * 2_700,
    "a host of many labels": "https://" + "a." * 4_000 + "example/",
}


@pytest.mark.parametrize("text", URLS.values(), ids=URLS)
def test_characters_looked_up(text: str) -> None:
    """All the keys that are looked up for a URL have few times the characters that a URL may have."""
    router = Router([("a", [parse_match("api.example/catalogue/v1/")]), ("b", [parse_match("*/")])])
    assert len(text) <= MAX_URL
    try:
        url = parse_url(text)
    except BadQuery:
        return  # nothing is looked up
    assert router.find(url) == "b"
    # Each with and without the port.
    assert 2 * sum(map(len, candidates(url.host, True))) < 10 * MAX_URL


FORMS = ("n{}.example/", "n{}.example/v1/*/public/", "api.example/n{}/*/x/", "n{}.example/*.n{}", "<t>.n{}.example/")


def router_of(count: int) -> Router:
    """As many policies, each with matches of all kinds."""
    names = map(str, range(1, count + 1))
    return Router((name, [parse_match(form.replace("{}", name)) for form in FORMS]) for name in names)


MATCHED = {
    "a host": "https://n7.example/x/y",
    "a segment": "https://n7.example/v1/acme/public/x",
    "a segment among those of one host": "https://api.example/n7/acme/x/y",
    "an ending": "https://n7.example/x/y.n7",
    "a label": "https://acme.n7.example/x",
    "several readings": "https://n7.example/v1/a%2Fb//public/../x",
}


@pytest.mark.parametrize("text", MATCHED.values(), ids=MATCHED)
def test_find_by_url(text: str) -> None:
    """Finding the policy of a URL takes as many instructions among 50,000 matches as among 50."""
    url = parse_url(text)
    few, many = router_of(10), router_of(10_000)
    assert few.find(url) == many.find(url) == "7"
    assert instructions(lambda: few.find(url)) == instructions(lambda: many.find(url))


def test_many_wildcards_that_fit() -> None:
    """However many wildcards fit a URL, each prefix of them is tried once: the bound is that of a match."""
    every = ["/".join(parts) for parts in product("a*", repeat=8) if parts.count("*") <= 3]
    assert len(every) == 93
    one, all_of_them = (Router([("a", [parse_match(f"a/{each}/b/") for each in some])]) for some in (every[:1], every))
    url = parse_url(f"https://a/{'a/' * 12}")

    def look(router: Router) -> None:
        with pytest.raises(BadQuery):
            router.find(url)

    assert instructions(lambda: look(all_of_them)) < 93 * instructions(lambda: look(one))


@pytest.mark.parametrize("piece", ["%3F;", "%3F;{}"])
def test_many_ends(piece: str) -> None:
    """A path that may end at very many places costs the same however many there are: it is not followed that far."""
    router = Router([("a", [parse_match("a/*.js")])])

    def look(count: int) -> None:
        url = parse_url(f"https://a/{''.join(piece.format(number) for number in range(1000, 1000 + count))}")
        with pytest.raises(BadQuery, match="very many ways"):
            router.find(url)

    assert instructions(lambda: look(1_000)) < 2 * instructions(lambda: look(500))


def test_long_url() -> None:
    """A URL that is longer than any service takes costs the same however long it is."""
    closed = flat()
    long, longer = (sent_to(f"https://api.example/{'a/' * size}") for size in (5_000, 500_000))
    assert instructions(lambda: refused(closed, long)) == instructions(lambda: refused(closed, longer))


def sent_to(url: str) -> Query:
    """A request for a URL."""
    return Query("GET", url=url, origins=(PAGE,))


def refused(compiled: ActivePolicies, query: Query) -> str:
    """The code of the mistake in a query."""
    with pytest.raises(BadQuery) as caught:
        compiled.decide(query)
    return caught.value.code
