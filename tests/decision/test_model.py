"""Tests of decisions by a model of the browser: what it keeps and shares of our answers is what we granted.

That it lets through what is allowed, and nothing else, is for `tests/test_pairs.py` to say.
"""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cors_service.browser import Behaviour, Request, fetch_verdict, preflight_headers
from cors_service.browser.cache import preflight_cache_entries, satisfied_by_cache
from cors_service.browser.request import actual_headers, is_forbidden_method, is_safelisted_method, needs_preflight
from cors_service.browser.sharing import exposed_headers, tao_check
from cors_service.decision import ActivePolicies, Query
from cors_service.policy import read_document
from cors_service.policy.model import Rule
from cors_service.testing import Exchange, strategies
from cors_service.testing.documents import Document
from fuzz.checked import listed_timing
from tests.decision.queries import flat
from tests.examples import examples

DOCUMENTS = strategies.documents(expressions=True)


def with_exchanges(document: Document) -> SearchStrategy[tuple[Document, Exchange, Exchange]]:
    """Draw two exchanges near a document."""
    near = strategies.exchanges(document)
    return st.tuples(st.just(document), near, near)


def of_strangers(exchange: Exchange) -> Request:
    """The request of an exchange, to a URL of another origin than the page's."""
    return replace(exchange.request, url_origin=None)


def asked(request: Request) -> Query:
    """The preflight of a request."""
    return Query.received("OPTIONS", preflight_headers(request), policy="a")


@pytest.mark.slow
def test_browsers_keep_no_more_than_is_granted() -> None:
    """What a browser keeps of a preflight lets nothing be sent that no rule grants, or be read that we refuse."""
    used: Counter[Behaviour] = Counter()

    @examples(1_000)
    @given(DOCUMENTS.flatmap(with_exchanges))
    def check(case: tuple[Document, Exchange, Exchange]) -> None:
        document, one, other = case
        policies = ActivePolicies(read_document(document))
        first = of_strangers(one)
        later = replace(of_strangers(other), origin=first.origin, credentials=first.credentials)
        answer = policies.decide(asked(first))
        actual = policies.decide(Query.received(later.method, actual_headers(later), policy="a"))
        for behaviour in Behaviour:
            kept = preflight_cache_entries(first, answer.status or 0, answer.headers, behaviour=behaviour)
            if needs_preflight(later) and satisfied_by_cache(later, kept, behaviour=behaviour):
                used[behaviour] += 1
                allowed = policies.decide(asked(later)).allowed
                assert allowed or not fetch_verdict(later, actual.headers, cached=kept, behaviour=behaviour).allowed
                # A safelisted method is sent without being granted, with headers that were granted to another.
                method = first.method if is_safelisted_method(later.method) else later.method
                assert policies.decide(asked(replace(later, method=method))).allowed

    check()
    assert min(used[behaviour] for behaviour in Behaviour) > 20


@examples(1_000)
@given(DOCUMENTS.flatmap(with_exchanges))
def test_browsers_share_what_the_rule_says(case: tuple[Document, Exchange, Exchange]) -> None:
    """A page reads those headers and timings of an answer that its rule exposes, and no others."""
    document, exchange, _ = case
    policies = ActivePolicies(read_document(document))
    sent = of_strangers(exchange)
    actual = policies.decide(Query.received(sent.method, actual_headers(sent), policy="a"))
    assert actual.kind == "actual"
    granted = policies.policy_set.policies["a"].rules[(actual.rule or 0) - 1] if actual.allowed else Rule(origins=())
    sent = replace(sent, credentials=sent.credentials and granted.credentials)
    measures = granted.timing
    listed = listed_timing(policies.policy_set.policies["a"], policies.policy_set)
    if listed:  # then each answer says who may measure, even where the method is refused
        measures = sent.origin in listed
    answer = (*actual.headers, ("X-A", ""), ("X-B", ""), ("X-C", ""), ("X-D", ""), ("Set-Cookie", ""))
    readable = {name for name in exposed_headers(sent, answer) if name.startswith(("x-", "set-"))}
    everything = {"x-a", "x-b", "x-c", "x-d"}
    assert (everything if granted.expose_headers == ("*",) else set(granted.expose_headers)) == readable
    assert measures == tao_check(sent, answer)


@pytest.mark.parametrize("method", ["TRACE", "trace", "CONNECT", "Track"])
def test_forbidden_method(method: str) -> None:
    """A method that no browser sends is refused, also to everybody and where any method is allowed."""
    policies = flat("*", methods=["*"])
    sent = Request("https://a.example", "https://service.invalid/", method=method)
    assert is_forbidden_method(sent.method)
    for asked, lines in (("OPTIONS", preflight_headers(sent)), (sent.method, actual_headers(sent))):
        assert policies.decide(Query.received(asked, lines, policy="a")).reason.code == "method-not-allowed"
