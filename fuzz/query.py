"""The readers of queries: JSON, the parameters of a form, and URLs become decisions or documented errors.

An input that begins with `?` is the query string of a GET, one that begins with `http` is a URL, and anything else is
the body of a POST. Decided is by etc/policies.toml.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.decision._urls import URL, parse_url
from cors_service.policy import Source, read_sources
from cors_service.wire import parse_json, read_form, read_query
from fuzz import checked

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


def check(data: bytes) -> None:
    """Read a query and decide about it; hold errors, the URL and the choice of the policy to what is promised."""
    try:
        query = _read(data)
    except BadQuery as error:
        _check_error(error)
        return
    assert read_query(json.loads(json.dumps(_as_fields(query)))) == query
    try:
        url = None if query.url is None else _url(query.url)
        decision = checked.decide(_ACTIVE, query)
    except BadQuery as error:
        _check_error(error)
        return
    if url is not None:
        assert query.policy is not None or decision.policy == _policy_of(url)
        is_own = query.policy is None or _has_host(query.policy, url)
        assert (decision.kind == "same-origin") == (query.origins == (url.origin,) and is_own)


def _read(data: bytes) -> Query:
    if data.startswith(b"?"):
        return read_form(data[1:])
    if data[:4].lower() == b"http":
        return Query("GET", url=data.decode("utf-8", "replace"), origins=("https://app.example.com",))
    return read_query(parse_json(data))


def _as_fields(query: Query) -> dict[str, object]:
    """The same query as the body of a POST."""
    lines = {
        "Origin": query.origins,
        "access-control-request-method": query.request_methods,
        "ACCESS-CONTROL-REQUEST-HEADERS": query.request_headers,
    }
    headers = [[name, value] for name, values in lines.items() for value in values]
    return {"method": query.method, "policy": query.policy, "url": query.url, "headers": headers}


def _check_error(error: BadQuery) -> None:
    """An error has a documented code and forges no line of a log."""
    assert error.code in CODES
    assert error.message.isprintable()


def _url(text: str) -> URL:
    """A URL that was read is read in the same way by others, by ourselves when it is written anew, and once decoded."""
    url = parse_url(text)
    assert parse_url(url.origin + url.path) == url
    other = urlsplit(text)
    assert f"{other.scheme}://" == url.origin[: len(other.scheme) + 3]
    assert other.hostname is not None
    # One dot at the end is ignored: it may not find another policy.
    assert other.hostname.removesuffix(".") == url.host.strip("[]")
    assert parse_url(f"{other.scheme}://{url.host}:{url.port}{url.path}").host == url.host
    assert (other.port if other.port is not None else {"http": 80, "https": 443}[other.scheme]) == url.port
    assert other.username is None
    decoded = unquote(url.path)
    assert not any(char < " " or char == "\x7f" for char in decoded)
    assert unquote(other.path or "/") == decoded
    assert decoded.count("/") == url.path.count("/")
    assert "//" not in decoded
    assert "\\" not in decoded
    assert {".", ".."}.isdisjoint(segment.partition(";")[0] for segment in decoded.split("/"))
    return url


def _has_host(name: str, url: URL) -> bool:
    """Whether a policy has a prefix of this host and port, or no prefix at all."""
    match = _ACTIVE.policy_set.policies[name].match
    return not match or any(_fits(one.authority, url) for one in match)


def _fits(authority: str, url: URL) -> bool:
    """Whether a URL is on a host of a match, and on its port."""
    host, _, port = authority.partition(":")
    suffix = host.removeprefix("*")
    fits_host = url.host == host or (host != suffix and url.host.endswith(suffix) and url.host != suffix)
    return fits_host and (url.port == int(port) if port else url.is_default)


def _policy_of(url: URL) -> str | None:
    """The policy of the longest path that fits, and for that path of the most specific host."""
    fitting: list[tuple[int, bool, int, str]] = []
    for policy in _ACTIVE.policy_set.policies.values():
        for match in policy.match:
            authority, _, path = match.text.partition("/")
            host = authority.partition(":")[0]
            suffix = host.removeprefix("*")
            if _fits(authority, url) and f"{url.path}/".startswith(f"/{path}"):
                fitting.append((len(path), host == suffix, len(suffix), policy.name))
    return max(fitting)[-1] if fitting else None
