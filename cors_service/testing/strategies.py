"""Hypothesis strategies for documents, requests, queries, origin patterns and origins: near misses, not noise.

Needs hypothesis: ``pip install "cors-service[testing]"``. Import it as::

    from cors_service.testing import strategies

    @given(strategies.exchanges(document))
    def test_my_middleware(exchange): ...

CORS bugs live a character away from what is allowed. So these strategies start with something that is granted, and
damage it a little; about half of the results are covered. Examples shrink to fewer rules and no damage.
"""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any, TypeVar

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import SearchStrategy
except ImportError as error:
    raise ImportError(
        'cors_service.testing.strategies needs hypothesis: pip install "cors-service[testing]"', name=error.name
    ) from error

from cors_service.decision import Query
from cors_service.testing import _near_misses, _patterns, _urls
from cors_service.testing._exchanges import Exchange, Neighbourhood
from cors_service.testing.documents import Document, draw_document

__all__ = ["documents", "exact_origins", "exchanges", "near_misses", "patterns", "queries", "urls"]

_Drawn = TypeVar("_Drawn")


def _drawn_by(draw: Callable[[Random], _Drawn]) -> SearchStrategy[_Drawn]:
    """Make a strategy of a function of a random; hypothesis controls the random, and shrinks its choices."""
    return st.randoms(use_true_random=False).map(draw)


def documents(*, expressions: bool = False) -> SearchStrategy[Document]:
    """Draw valid policy documents.

    Each has one policy, ``a``, of one to four rules with patterns that are near misses of each other.

    Args:
        expressions: Whether regular expressions may occur, for which the extra ``regex`` is needed.

    Returns:
        A strategy of documents, as ``cors_service.policy.read_document`` takes them: dictionaries.
    """
    return _drawn_by(partial(draw_document, expressions=expressions))


def exchanges(
    document: Mapping[str, Any], policy: str | None = None, url: str = "https://service.invalid/"
) -> SearchStrategy[Exchange]:
    """Draw requests of pages that a policy barely allows or barely refuses, and what arrives of them.

    Origin, method, header names and credentials are each granted by a rule or close to what it grants. Some
    requests are the URL's own origin's. Of some preflights the lines are rewritten on the way; some lines are such
    as no browser sends.

    Args:
        document: A valid document; your own, or one that was drawn.
        policy: The name of a policy in it; the first one if None is given.
        url: What pages ask for. Its origin must be as browsers serialise it.

    Returns:
        A strategy of exchanges.
    """
    return _drawn_by(Neighbourhood(document, policy, url).draw_exchange)


def queries(
    document: Mapping[str, Any], policy: str | None = None, url: str = "https://service.invalid/"
) -> SearchStrategy[Query]:
    """Draw queries about preflights and about requests that a policy barely allows or barely refuses.

    Args:
        document: A valid document; your own, or one that was drawn.
        policy: The name of a policy in it; the first one if None is given.
        url: What pages ask for. Its origin must be as browsers serialise it.

    Returns:
        A strategy of queries that name the policy and the URL.
    """
    near = Neighbourhood(document, policy, url)
    return _drawn_by(lambda random: random.choice(near.draw_exchange(random).queries))


def exact_origins() -> SearchStrategy[str]:
    """Draw origins as a browser serialises them, which are also patterns that cover just themselves.

    Returns:
        A strategy of origins: names, canonical IPv4 and IPv6 addresses, no default port; never `null`.
    """
    return _drawn_by(_patterns.exact_origin)


def wildcard_patterns() -> SearchStrategy[str]:
    """Draw patterns for the subdomains of a name, such as `https://*.example.com` and `app://?.foo.com:8080`.

    Returns:
        A strategy of patterns with a wildcard for a first label; the suffix may be public or a single label.
    """
    return _drawn_by(_patterns.wildcard_pattern)


def port_patterns() -> SearchStrategy[str]:
    """Draw patterns for several ports, such as `http://localhost:*` and `https://*.example.com:8000-8999`.

    Returns:
        A strategy of patterns that end in `:*` or a range, which may take in the default port of the scheme.
    """
    return _drawn_by(_patterns.port_pattern)


def alternative_patterns() -> SearchStrategy[str]:
    """Draw patterns with alternatives, such as `{http,https}://{*.,}example.com`.

    Returns:
        A strategy of patterns with one to five groups, of far fewer than 256 combinations.
    """
    return _drawn_by(_patterns.alternative_pattern)


def glob_patterns() -> SearchStrategy[str]:
    """Draw patterns for a label with a free part, such as `https://app-*.example.com`.

    Returns:
        A strategy of patterns with one star in the first label; the suffix may be one under which anybody gets names.
    """
    return _drawn_by(_patterns.glob_pattern)


def range_patterns() -> SearchStrategy[str]:
    """Draw patterns for a range of addresses, such as `http://192.168.0.0/16:*`.

    Returns:
        A strategy of patterns that begin with the first address of their range.
    """
    return _drawn_by(_patterns.range_pattern)


def patterns() -> SearchStrategy[str]:
    """Draw patterns of all kinds: exact, wildcards, globs, ranges, any host, several ports, alternatives.

    Returns:
        A strategy of patterns, valid in a rule without credentials; never `*`, `null` or an expression.
    """
    return _drawn_by(_patterns.any_pattern)


def pattern_lists(min_size: int = 1, max_size: int = 8) -> SearchStrategy[list[str]]:
    """Draw what a rule may list as its `origins`.

    Args:
        min_size: how many patterns at least.
        max_size: how many patterns at most.

    Returns:
        A strategy of lists of different patterns.
    """
    return st.lists(patterns(), min_size=min_size, max_size=max_size, unique=True)


def near_misses(pattern: str) -> SearchStrategy[str]:
    """Draw origins close to a pattern: one that it covers, then none, one or two small mutations.

    A mutation may leave the origin covered, put it out by a hair, or make of it what no browser sends.

    Args:
        pattern: any valid pattern but a regular expression or the name of an origin set.

    Returns:
        A strategy of values of `Origin`.

    Raises:
        ValueError: the pattern does not show what it covers.
    """
    _near_misses.plain_patterns(pattern)
    return _drawn_by(partial(_near_misses.near_miss, pattern=pattern))


def urls(match: str, *, exact: bool = False) -> SearchStrategy[str]:
    """Draw URLs close to a `match`: one that it finds, then spelled differently in none, one or two places.

    Args:
        match: A valid `match`.
        exact: Whether all of them are ones that it finds.

    Returns:
        A strategy of URLs. Where another policy is near, some of the others can be read in several ways.
    """
    return _drawn_by(partial(_urls.found_url if exact else _urls.near_url, match=match))


def matching_cases() -> SearchStrategy[tuple[list[str], str]]:
    """Draw patterns that are near misses of each other, and an origin which is a near miss of one of them.

    The patterns share suffixes, prefixes, schemes and ports; the origin may have parts of two of them.
    In almost half of the cases a pattern covers it.

    Returns:
        A strategy of pairs: patterns, and a value of `Origin`.
    """
    return _drawn_by(_matching_case)


def _matching_case(random: Random) -> tuple[list[str], str]:
    listed = _patterns.related_patterns(random)
    plain = [random.choice(_near_misses.plain_patterns(pattern)) for pattern in listed]
    return listed, _near_misses.near_miss_of_several(random, random.choice(plain), plain)
