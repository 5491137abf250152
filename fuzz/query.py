"""The readers of queries: JSON, the parameters of a form, and URLs become decisions or documented errors.

An input that begins with `?` is the query string of a GET, one that begins with `http` or `ws` is a URL, and anything
else is the body of a POST. Decided is by etc/policies.toml.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec.structs import asdict, replace

from cors_service.decision import ActivePolicies, BadQuery, Circumstances, Query
from cors_service.decision._urls import URL, parse_site, parse_url
from cors_service.decision.query import CIRCUMSTANCES
from cors_service.policy import Source, read_sources
from cors_service.wire.json_text import parse_json
from cors_service.wire.queries import read_form, read_query
from fuzz import checked
from tests.naive_urls import Route, best, fits_host, segments_of

CODES = frozenset(
    {
        "body-malformed",
        "no-policy-for-url",
        "no-selector",
        "query-malformed",
        "unknown-policy",
        "url-ambiguous",
        "url-malformed",
    }
)
"""What docs/api.md lists for a query."""

_POLICIES = Path(__file__).parents[1] / "etc" / "policies.toml"
_ACTIVE = ActivePolicies(read_sources([Source(None, "toml", _POLICIES.read_text("utf-8"))]))
_ROUTES = {
    Route(match.host, match.port, segments_of(match.path)): policy.name
    for policy in _ACTIVE.policy_set.policies.values()
    for match in policy.match
}


def check(data: bytes) -> None:
    """Read a query and decide about it; hold errors, the URL and the choice of the policy to what is promised."""
    try:
        query = _read(data)
    except BadQuery as error:
        _check_error(error)
        return
    assert read_query(json.loads(json.dumps(_as_fields(query)))) == query
    try:
        url = None
        if query.url is not None:
            url = _url(query.url) if query.policy is None else parse_site(query.url)
        decision = checked.decide(_ACTIVE, query)
    except BadQuery as error:
        _check_error(error, is_named=query.policy is not None)
        return
    if url is not None:
        assert query.policy is not None or {decision.policy} == {_policy_of(path, url) for path in _readings(url)}
        is_own = query.policy is None or _has_host(query.policy, url)
        assert (decision.kind == "same-origin") == (query.origins == (url.origin,) and is_own)


def _read(data: bytes) -> Query:
    if data.startswith(b"?"):
        return read_form(data[1:])
    if data[:4].lower() == b"http" or data[:2].lower() == b"ws":
        return Query("GET", url=data.decode("utf-8", "replace"), origins=("https://app.example.com",))
    return read_query(parse_json(data))


def _as_fields(query: Query) -> dict[str, object]:
    """The same query as the body of a POST."""
    lines = {
        "Origin": query.origins,
        "access-control-request-method": query.request_methods,
        "ACCESS-CONTROL-REQUEST-HEADERS": query.request_headers,
    }
    others = asdict(query.circumstances or Circumstances())
    lines |= {name.title(): others[attribute] for name, attribute in CIRCUMSTANCES.items()}
    headers = [[name, value] for name, values in lines.items() for value in values]
    return {"method": query.method, "policy": query.policy, "url": query.url, "headers": headers}


def _check_error(error: BadQuery, *, is_named: bool = False) -> None:
    """An error has a documented code and forges no line of a log; where the policy is named, it is not for the URL."""
    assert error.code in CODES
    assert not is_named or error.code == "unknown-policy"
    assert error.message.isprintable()


def _url(text: str) -> URL:
    """A URL that was read is read in the same way by others, by ourselves when it is written anew, and once decoded."""
    url = parse_url(text)
    assert parse_url(url.origin + url.path) == url
    assert url.path.isascii()
    other = urlsplit(text)
    scheme = {"ws": "http", "wss": "https"}.get(other.scheme, other.scheme)
    assert f"{scheme}://" == url.origin[: len(scheme) + 3]
    assert other.hostname is not None
    # One dot at the end is ignored: it may not find another policy.
    assert other.hostname.removesuffix(".") == url.host.strip("[]")
    assert parse_url(f"{other.scheme}://{url.host}:{url.port}{url.path}").host == url.host
    assert (other.port if other.port is not None else {"http": 80, "https": 443}[scheme]) == url.port
    assert other.username is None
    assert parse_site(text) == replace(url, path="/", is_plain=True)
    decoded = unquote(url.path, "latin-1")
    assert not any(char < " " or char == "\x7f" for char in decoded)
    assert unquote(other.path or "/") == unquote(url.path)
    if url.is_plain:
        assert decoded.count("/") == url.path.count("/")
        assert "//" not in decoded
        assert "\\" not in decoded
        assert {".", ".."}.isdisjoint(segment.partition(";")[0] for segment in decoded.split("/"))
        assert unquote(unquote(url.path)) == unquote(url.path)
    return url


def _readings(url: URL) -> list[str]:
    """The paths that some servers make of one."""
    path = url.path
    once = unquote(path)
    paths = [path, once, unquote(once), path.replace("\\", "/"), *(re.sub(";[^/]*", "", each) for each in (path, once))]
    return [*paths, *(re.sub("/+", "/", each) for each in paths), *(_without_dots(each) for each in paths)]


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


def _has_host(name: str, url: URL) -> bool:
    """Whether a policy has a match of this host and port, or no match at all."""
    routes = [route for route, policy in _ROUTES.items() if policy == name]
    return not routes or any(_fits(route, url) for route in routes)


def _fits(route: Route, url: URL) -> bool:
    return fits_host(route, url.host, url.port, 443 if url.origin.startswith("https:") else 80)


def _policy_of(path: str, url: URL) -> str | None:
    """The policy of the best match for a path."""
    route = best([route for route in _ROUTES if _fits(route, url)], segments_of(path))
    return None if route is None else _ROUTES[route]
