"""Tests of the origin that a URL can name as the service's own: one of the policy's hosts."""

import pytest

from cors_service.asking.local import LocalDecider
from cors_service.decision import Query
from cors_service.policy import read_document
from cors_service.protect.wsgi import CORSMiddleware
from tests.decision.queries import active

APP = "https://app.example.com"
EVIL = "https://evil.example"
MANY = [f"tenant{number}.example.com/" for number in range(100)]

MATCHES: dict[str, tuple[list[str], str, bool]] = {
    "its host": (["app.example.com/"], APP, True),
    "its host, beside another": (["api.example.com/x/", "app.example.com/y/z/"], APP, True),
    "its host on the default port, written out": (["app.example.com:443/"], APP, True),
    "its host on its port": (["app.example.com:8443/"], f"{APP}:8443", True),
    "its host in clear text": (["app.example.com/"], "http://app.example.com", True),
    "a sub-domain": (["*.example.com/"], APP, True),
    "a sub-domain, deeper": (["*.com/"], APP, True),
    "a sub-domain on a port": (["*.example.com:8443/"], f"{APP}:8443", True),
    "any host": (["*/"], EVIL, True),
    "any host, on any port": (["*/x/"], f"{EVIL}:8443", True),
    "any host on a port": (["*:8443/"], f"{EVIL}:8443", True),
    "an IPv6 address": (["[::1]:8080/"], "http://[::1]:8080", True),
    "no match": ([], EVIL, True),
    "one of many": ([*MANY, "app.example.com/"], APP, True),
    "a sub-domain, beside many": ([*MANY, "*.example.com/"], APP, True),
    "a label": (["<tenant>.example.com/"], APP, True),
    "a label on a port": (["<tenant>.example.com:8443/"], f"{APP}:8443", True),
    "the whole host": (["<host>/"], f"{EVIL}:8443", True),
    "two labels": (["<tenant>.com/"], APP, False),
    "another suffix than a label's": (["<tenant>.example.org/"], APP, False),
    "a label, and another port": (["<tenant>.example.com/"], f"{APP}:8443", False),
    "any host with a path of wildcards": (["*/v1/*/x/*.js"], EVIL, True),
    "another host": (["app.example.com/"], EVIL, False),
    "another port": (["app.example.com/"], f"{APP}:8443", False),
    "the default port of the other scheme": (["app.example.com:443/"], "http://app.example.com", False),
    "the default port, where another is meant": (["app.example.com:8443/"], APP, False),
    "another port of sub-domains": (["*.example.com/"], f"{APP}:8443", False),
    "the bare domain": (["*.example.com/"], "https://example.com", False),
    "a host that ends like it": (["app.example.com/"], "https://evilapp.example.com", False),
    "a host that begins like it": (["app.example.com/"], "https://app.example.com.evil.example", False),
    "any host on another port": (["*:8443/"], EVIL, False),
    "none of many": (MANY, EVIL, False),
    "another port of one of many": (MANY, "https://tenant7.example.com:8443", False),
}


@pytest.mark.parametrize(("match", "origin", "own"), MATCHES.values(), ids=MATCHES)
@pytest.mark.parametrize("path", ["/", "/elsewhere"])
def test_own_host(match: list[str], origin: str, path: str, *, own: bool) -> None:
    """A host is the named policy's own only where its match covers host and port; else the rules decide."""
    policies = active(named={"origins": ["https://partner.example"], "credentials": True, "match": match})
    decision = policies.decide(Query("POST", "named", origin + path, (origin,)))
    expected = ("same-origin", True) if own else ("actual", False)
    assert (decision.kind, decision.allowed) == expected
    assert own or decision.reason.code == "origin-not-allowed"


@pytest.mark.parametrize(("match", "origin", "own"), MATCHES.values(), ids=MATCHES)
def test_own_host_by_url(match: list[str], origin: str, *, own: bool) -> None:
    """A policy that the URL finds is one of its host, so it says the same of it as where it is named."""
    roots = sorted({f"{prefix.partition('/')[0]}/" for prefix in match})
    policies = active(named={"origins": ["https://partner.example"], "match": roots})
    query = Query("POST", None, f"{origin}/", (origin,))
    if match and own:
        assert policies.decide(query).kind == "same-origin"
    decider = LocalDecider(policies.policy_set, str)
    assert (decider.decide(query).kind == "same-origin") == (own and bool(match))


def test_host_of_another_policy() -> None:
    """A host of one policy is not another's own, though the rules of the other may allow its pages."""
    policies = active(
        one={"origins": ["https://two.example"], "match": ["one.example/"]},
        two={"origins": ["https://one.example"], "match": ["two.example/"]},
    )
    decision = policies.decide(Query("POST", "one", "https://two.example/", ("https://two.example",)))
    assert (decision.kind, decision.allowed) == ("actual", True)
    assert ("Access-Control-Allow-Origin", "https://two.example") in decision.headers


@pytest.mark.parametrize(("host", "own"), [("app.example.com", True), ("evil.example", False)])
def test_middleware(host: str, *, own: bool) -> None:
    """Middleware tells nobody that a page is its own because the Host says so: its preflights are refused."""
    policies = read_document(
        {"version": 1, "policies": {"app": {"origins": ["https://partner.example"], "match": ["app.example.com/"]}}}
    )
    statuses: list[str] = []

    def start(status: str, lines: object, *_: object) -> object:
        statuses.append(status)
        return lines

    environ = {
        "REQUEST_METHOD": "OPTIONS",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": host,
        "HTTP_ORIGIN": f"https://{host}",
        "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "PUT",
    }

    def application(environ: object, start: object) -> list[bytes]:
        start("200 OK", [])  # type: ignore[operator]
        return []

    CORSMiddleware(application, policies, policy="app")(environ, start)  # type: ignore[arg-type]
    assert statuses == ["200 OK" if own else "403 Forbidden"]
