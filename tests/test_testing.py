"""Tests of what is shipped for testing: what it draws is valid, various, repeated by its seed, and near."""

import inspect
import subprocess
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

import cors_service.testing
from cors_service.browser import preflight_headers
from cors_service.browser.request import actual_headers, needs_preflight
from cors_service.decision import ActivePolicies, Query
from cors_service.policy import read_document
from cors_service.testing import Exchange, Neighbourhood, draw_document, strategies
from cors_service.testing.documents import Document
from tests import naive

URL = "https://api.example.com/catalogue/7"
OURS = tomllib.loads("""
version = 1

[origin_sets]
partners = ["https://partner.example", "https://*.partner.example"]

[policies.status]
origins = ["*"]

[policies.catalogue]
match = ["api.example.com/catalogue/"]

[[policies.catalogue.rules]]
origins = ["@partners", 're:https://pr-[0-9]+\\.ours\\.example']
methods = ["PUT", "patch"]
request_headers = ["X-Item", "x-trace-*"]
credentials = true

[[policies.catalogue.rules]]
origins = ["http://localhost:8000-8999"]
""")


def exchanges(count: int, document: Document = OURS, policy: str | None = "catalogue") -> list[Exchange]:
    """Draw exchanges, the same ones each time."""
    near, random = Neighbourhood(document, policy, URL), Random(1)
    return [near.draw_exchange(random) for _ in range(count)]


@pytest.fixture(scope="module")
def many_exchanges() -> list[Exchange]:
    """Enough exchanges for each kind of near miss to be among them."""
    return exchanges(8_000)


class TestPublic:
    """What is public."""

    @pytest.mark.parametrize("module", [cors_service.testing, strategies])
    def test_names(self, module: Any) -> None:
        """Each public name is there, and documented."""
        assert sorted(module.__all__) == module.__all__
        assert [name for name in module.__all__ if not inspect.getdoc(getattr(module, name))] == []

    def test_strategies(self) -> None:
        """Each public strategy is a function of the module, and not one that it imports."""
        functions = [getattr(strategies, name) for name in strategies.__all__]
        assert {strategies.__name__} == {function.__module__ for function in functions}

    def test_without_hypothesis(self) -> None:
        """Without hypothesis all but the strategies can be had, and these say what to install."""
        code = """
            import sys
            sys.modules["hypothesis"] = None
            from random import Random
            from cors_service.testing import Neighbourhood, draw_document
            Neighbourhood(draw_document(Random(1))).draw_exchange(Random(2))
            from cors_service.testing import strategies
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
        )
        wanted = 'ImportError: cors_service.testing.strategies needs hypothesis: pip install "cors-service[testing]"'
        assert done.stderr.splitlines()[-1] == wanted


class TestDocuments:
    """The documents that are drawn."""

    @given(strategies.documents() | strategies.documents(expressions=True))
    def test_they_are_valid(self, document: Document) -> None:
        """Each has one policy, which loads."""
        assert list(read_document(document).policies) == ["a"]

    @pytest.mark.parametrize(
        "is_found",
        [
            lambda said: "rules" not in said,
            lambda said: len(said.get("rules", [])) == 4,
            lambda said: said["origins"] == ["@some"],
            lambda said: "*" in said["origins"],
            lambda said: "null" in said["origins"],
            lambda said: said.get("credentials"),
            lambda said: "methods" not in said,
            lambda said: "request_headers" not in said,
            lambda said: said.get("expose_headers") == ["*"],
            lambda said: said.get("max_age") == 0,
            lambda said: said.get("resource_policy") == "same-site",
            lambda said: said.get("preflight_status") == 200,
        ],
    )
    def test_they_are_various(self, is_found: Callable[[Any], bool]) -> None:
        """Each way to write a policy turns up, and each does not."""
        policies = [draw_document(Random(seed))["policies"]["a"] for seed in range(300)]
        found = {bool(is_found(policy | rule)) for policy in policies for rule in policy.get("rules", [policy])}
        assert found == {False, True}

    def test_expressions(self) -> None:
        """Regular expressions turn up where they are asked for, and nowhere else."""
        without, among = (
            ["re:" in str(draw_document(Random(seed), expressions=wanted)) for seed in range(100)]
            for wanted in (False, True)
        )
        assert not any(without)
        assert 10 < sum(among) < 90

    def test_they_are_repeated(self) -> None:
        """Equal seeds draw equal documents and exchanges, others others."""
        assert draw_document(Random(1)) == draw_document(Random(1)) != draw_document(Random(2))
        assert exchanges(9) == exchanges(9)

    def test_they_shrink(self) -> None:
        """The smallest document has one rule that says next to nothing."""
        rule = {"origins": ["https://own-0.invalid", "https://example.com"]}
        smallest = find(strategies.documents(), lambda _: True)["policies"]["a"]["rules"]
        assert [{key: value for key, value in each.items() if key != "dangerously_allow"} for each in smallest] == [
            rule
        ]


class TestExchanges:
    """What is drawn near a document of one's own."""

    @given(strategies.exchanges(OURS, "catalogue", URL))
    def test_they_are_decided(self, exchange: Exchange) -> None:
        """Each asks for the policy and the URL given; there is a preflight where the request needs one."""
        kinds = [ActivePolicies(read_document(OURS)).decide(query).kind for query in exchange.queries]
        assert (exchange.policy, exchange.request.url) == ("catalogue", URL)
        assert exchange.request.url_origin == "https://api.example.com"
        assert (exchange.preflight is not None) == needs_preflight(exchange.request)
        assert kinds[:-1] == ["preflight"] * needs_preflight(exchange.request)
        assert kinds[-1] != "preflight"
        assert (kinds[-1] in {"same-origin", "no-origin"}) == exchange.request.same_origin

    @given(strategies.queries(OURS, "catalogue", URL))
    def test_queries(self, query: Query) -> None:
        """A query names the policy and the URL, and can be decided."""
        assert (query.policy, query.url) == ("catalogue", URL)
        ActivePolicies(read_document(OURS)).decide(query)

    def test_queries_of_both_kinds(self) -> None:
        """Some queries are preflights, some are the requests behind them."""
        near = strategies.queries(OURS, "catalogue", URL)
        assert find(near, lambda query: query.request_methods == ("PUT",)).method == "OPTIONS"
        assert find(near, lambda query: query.method == "PUT").request_methods == ()

    @pytest.mark.parametrize(
        "is_found",
        [
            lambda page: page.origin == "https://partner.example",
            lambda page: page.origin == "https://a.partner.example",
            lambda page: page.origin.endswith("partner.example.evil.com"),
            lambda page: page.origin.endswith("//evilpartner.example"),
            lambda page: page.origin == "http://localhost:8000",
            lambda page: page.origin == "http://localhost:7999",
            lambda page: page.origin == "null",
            lambda page: page.same_origin,
            lambda page: page.origin.startswith("https://api.example.com:"),
            lambda page: page.method == "PUT",
            lambda page: page.method == "patch",
            lambda page: page.method == "PATCH",
            lambda page: page.method == "PUTx",
            lambda page: page.method == "TRACE",
            lambda page: page.method == "*",
            lambda page: len(page.method) == 65,
            lambda page: ("X-Item", "1") in page.headers,
            lambda page: ("x-iTEM", "1") in page.headers,
            lambda page: ("X-Ite", "1") in page.headers,
            lambda page: ("x-trace-a", "1") in page.headers,
            lambda page: ("x-trace-", "1") in page.headers,
            lambda page: ("x-trace", "1") in page.headers,
            lambda page: ("xx-trace-a", "1") in page.headers,
            lambda page: ("Authorization", "1") in page.headers,
            lambda page: len(page.headers) >= 65,
            lambda page: any(len(name) == 4097 for name, _ in page.headers),
            lambda page: page.credentials,
            lambda page: page.use_cors_preflight,
        ],
    )
    def test_near_misses_of_every_kind(self, is_found: Callable[[Any], bool], many_exchanges: list[Exchange]) -> None:
        """What the rules grant turns up, and what they barely do not."""
        assert any(is_found(exchange.request) for exchange in many_exchanges)

    @pytest.mark.parametrize("policy", ["catalogue", "status"])
    def test_they_are_on_both_sides(self, policy: str) -> None:
        """A good part is allowed, and a good part is not."""
        active = ActivePolicies(read_document(OURS))
        allowed = Counter(
            all(active.decide(query).allowed is not False for query in exchange.queries)
            for exchange in exchanges(1_000, OURS, policy)
        )
        assert allowed[True] > 150
        assert allowed[False] > 150

    def test_what_arrives(self) -> None:
        """Mostly what the browser sent; else the same in other words, or what no browser sends."""
        asked = [exchange for exchange in exchanges(4_000) if exchange.preflight]
        names = "access-control-request-headers"
        changed, lists = 0, Counter[int]()
        for exchange in asked:
            assert exchange.preflight is not None
            sent = tuple(line for line in exchange.actual if line[0] != "Sec-Fetch-Site")
            assert sent == actual_headers(exchange.request)
            changed += exchange.preflight != preflight_headers(exchange.request)
            lists[sum(name.lower() == names for name, _ in exchange.preflight)] += 1
        assert 0.1 < changed / len(asked) < 0.5
        assert max(lists) > 2
        simple = [exchange for exchange in exchanges(4_000) if not exchange.preflight]
        lines = Counter(len(exchange.queries[0].origins) for exchange in simple)
        assert set(lines) == {0, 1, 2}
        assert lines[2] < lines[1]

    @pytest.mark.parametrize("origins", [["*"], ["re:https://[a-z]+\\.example"], ["null"], ["https://{a,b}.example"]])
    def test_of_any_patterns(self, origins: list[str]) -> None:
        """What does not show which origins it covers is asked about by some others."""
        document = {"version": 1, "policies": {"x": {"origins": origins, "dangerously_allow": ["null-origin"]}}}
        pages = {exchange.request.origin for exchange in exchanges(200, document, None)}
        assert len(pages) > 20
        assert any(map(naive.is_origin, pages - {"null"}))

    def test_they_shrink(self) -> None:
        """The smallest exchange is a request that a rule grants."""
        smallest = find(strategies.exchanges(OURS, "catalogue", URL), lambda exchange: exchange.preflight is not None)
        assert smallest.request.origin == "https://partner.example"
        assert smallest.request.headers == ()
        assert smallest.preflight == preflight_headers(smallest.request)


@given(st.data())
def test_a_document_and_what_is_near_it(data: st.DataObject) -> None:
    """The exchanges of a document that was drawn can be decided by it."""
    document = data.draw(strategies.documents())
    exchange = data.draw(strategies.exchanges(document))
    active = ActivePolicies(read_document(document))
    assert {active.decide(query).policy for query in exchange.queries} == {"a"}
