"""Tests of who reaches which endpoint where callers are known: by each verb, by policies, and by what they show."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from OpenSSL.crypto import X509
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, formatEvent
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from cors_service.access import Access, read_access
from cors_service.access.callers import VERBS
from cors_service.access.tokens import token_entry
from cors_service.grammar.nearest import nearest
from cors_service.policy import read_document
from cors_service.server import DecisionSite
from cors_service.server.channel import DecisionChannel
from cors_service.server.quick import QuickChannel
from cors_service.web import DecisionTree, decision_resource
from cors_service.web._guard import Guarded
from cors_service.web._scope import Within
from cors_service.web.access import FixedAccess, IAccess
from tests.certificates import Authority
from tests.observing import observed_by
from tests.web.description import COMPONENTS, check, fits_closely, response_of
from tests.web.traversal import METHODS, POLICIES, Answer, Caller

SECRETS = {"both": ("decide", "read"), "decides": ("decide",), "reads": ("read",)}
"""The tokens, each with its verbs."""
LIMITED = "limited"
"""A token for the policies whose names begin with `cat` or `st`."""

PAGE = "https://partner.example"
PROXIED = [
    ("X-Original-Method", "GET"),
    ("X-Forwarded-Method", "GET"),
    ("X-Original-URL", "https://api.example.com/catalogue/7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "api.example.com"),
    ("X-Forwarded-Uri", "/catalogue/7"),
    ("Host", "api.example.com"),
    ("Origin", PAGE),
]
PREFLIGHT = [*PROXIED, ("Access-Control-Request-Method", "GET")]
QUERY = {"policy": "catalogue", "method": "GET", "origin": PAGE}
EVALUATION = {
    "subject": {"type": "origin", "id": PAGE},
    "action": {"name": "GET"},
    "resource": {"type": "policy", "id": "catalogue"},
}

Lines = list[tuple[str, str]]
ENDPOINTS: dict[str, tuple[str, str, str, Any, Lines]] = {
    "form": ("decide", "GET", f"/v1/decision?policy=catalogue&origin={PAGE}", None, []),
    "query": ("decide", "POST", "/v1/decision", QUERY, []),
    "batch": ("decide", "POST", "/v1/decisions", {"queries": [QUERY]}, []),
    "auth-request": ("decide", "GET", "/v1/auth-request/catalogue", None, PROXIED),
    "forward-auth": ("decide", "GET", "/v1/forward-auth/catalogue", None, PROXIED),
    "ext-authz": ("decide", "PUT", "/v1/ext-authz/catalogue/7", None, PROXIED),
    "preflight": ("decide", "OPTIONS", "/v1/preflight/catalogue/7", None, PREFLIGHT),
    "enforce": ("decide", "GET", "/v1/enforce/catalogue", None, PROXIED),
    "data": ("decide", "POST", "/v1/data/cors/decision", {"input": QUERY}, []),
    "apisix": ("decide", "POST", "/v1/data/cors/apisix/catalogue", {"input": {"request": {"method": "GET"}}}, []),
    "evaluation": ("decide", "POST", "/access/v1/evaluation", EVALUATION, []),
    "evaluations": ("decide", "POST", "/access/v1/evaluations", {"evaluations": [EVALUATION]}, []),
    "policies": ("read", "GET", "/v1/policies", None, []),
    "policy": ("read", "GET", "/v1/policies/catalogue", None, []),
    "status": ("read", "GET", "/v1/status", None, []),
}
"""Each endpoint with a verb, with a request that succeeds."""


def digest(token: str) -> str:
    """The hash of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def document(limit: str = '"cat", "st"') -> str:
    """A document with all tokens and one certificate."""
    entries = [
        f'[[tokens]]\nname = "{token}"\nsha256 = "{digest(token)}"\nverbs = {json.dumps(verbs)}\n'
        for token, verbs in SECRETS.items()
    ]
    limited = entries[0].replace("both", LIMITED).replace(digest("both"), digest(LIMITED)) + f"policies = [{limit}]\n"
    return "".join([*entries, limited, '[[certificates]]\nsubject = "CN=gateway"\nverbs = ["decide"]\n'])


def guarded(access: Access | FixedAccess | None = None) -> DecisionTree:
    """A tree that only those reach who may."""
    return decision_resource(read_document(POLICIES), clock=Clock(), access=access or read_access(document()))


def send(tree: DecisionTree, name: str, token: str | None = None, *, header: str = "Authorization") -> Answer:
    """Send the request of an endpoint, with a token."""
    _, method, path, value, lines = ENDPOINTS[name]
    shown = [] if token is None else [(header, f"Bearer {token}" if header == "Authorization" else token)]
    body = None if value is None else json.dumps(value).encode()
    return Caller(tree).ask(method, path, body, [*lines, *shown])


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("header", ["Authorization", "X-Cors-Token"])
@pytest.mark.parametrize("token", SECRETS)
def test_verbs(name: str, header: str, token: str) -> None:
    """A token with the verb of an endpoint gets its answer; one without it gets a 403."""
    answer = send(guarded(), name, token, header=header)
    if ENDPOINTS[name][0] in SECRETS[token]:
        assert answer.status in {200, 204}
    else:
        assert answer.problem == (403, "forbidden")
        check(answer, COMPONENTS["responses"]["Forbidden"])


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("token", [None, "unknown", "", digest("both"), "both both"])
def test_unauthorized(name: str, token: str | None) -> None:
    """Without a token, or with one that is not known, every endpoint with a verb answers 401, and decides nothing."""
    answer = send(guarded(), name, token)
    assert answer.problem == (401, "unauthorized")
    assert answer.header("WWW-Authenticate") == "Bearer"
    # It has none of the headers of a decision.
    check(answer, COMPONENTS["responses"]["Unauthorized"])


def test_every_endpoint_is_guarded() -> None:
    """Whatever is beneath /v1 or /access asks for a token, and so do the metrics; but not paths where nothing is."""
    tree = guarded()
    told = {path.partition("?")[0].split("/")[2] for _, _, path, _, _ in ENDPOINTS.values() if path.startswith("/v1/")}
    names = {name.decode() for name in tree.children[b"v1"].children}
    assert told == names
    for path in METHODS:
        status = Caller(tree).ask("GET", path).status
        assert (401 if path.startswith(("/v1/", "/access/", "/metrics")) else 200) == status
    assert Caller(tree).ask("GET", "/v1/nothing").problem == (404, "not-found")


@pytest.mark.parametrize(
    "authorization", ["bearer both", "BEARER  both", "Basic Ym90aA==", "both", "Bearer both, Bearer both"]
)
def test_schemes(authorization: str) -> None:
    """The scheme is Bearer, in any case, and no other (RFC 6750, 2.1)."""
    answer = Caller(guarded()).get("/v1/status", [("Authorization", authorization)])
    assert answer.status == (200 if authorization.lower().split() == ["bearer", "both"] else 401)


def test_repeated_tokens() -> None:
    """A header that stands twice shows nothing."""
    lines = [("Authorization", "Bearer both")] * 2
    assert Caller(guarded()).get("/v1/status", lines).status == 401


def test_the_token_of_the_client_of_a_gateway() -> None:
    """The Authorization that a gateway passes on does not take from what its own token gives."""
    lines = [*PROXIED, ("Authorization", "Bearer of-the-client"), ("X-Cors-Token", "decides")]
    assert Caller(guarded()).get("/v1/auth-request/catalogue", lines).status == 200


def limited(path: str, lines: Lines | None = None, method: str = "GET", value: object = None) -> Answer:
    """Ask with a token for some policies."""
    body = None if value is None else json.dumps(value).encode()
    return Caller(guarded()).ask(method, path, body, [*(lines or []), ("X-Cors-Token", LIMITED)])


@pytest.mark.parametrize(
    ("path", "method", "value", "lines"),
    [
        ("/v1/decision?policy=prices", "GET", None, []),
        ("/v1/decision?policy=absent", "GET", None, []),
        ("/v1/decision?url=https://api.example.com/prices/7", "GET", None, []),
        ("/v1/decision", "POST", {"policy": "prices", "method": "GET"}, []),
        ("/v1/policies/prices", "GET", None, []),
        ("/v1/policies/absent", "GET", None, []),
        ("/v1/auth-request/prices", "GET", None, PROXIED),
        ("/v1/forward-auth/prices", "GET", None, PROXIED),
        ("/v1/ext-authz/prices/7", "PUT", None, PROXIED),
        ("/v1/ext-authz/-/prices/7", "PUT", None, PROXIED),
        ("/v1/preflight/prices", "OPTIONS", None, PREFLIGHT),
        ("/v1/enforce/prices", "GET", None, PROXIED),
        ("/v1/data/cors/decision", "POST", {"input": {"policy": "prices", "method": "GET"}}, []),
        ("/v1/data/cors/apisix/prices", "POST", {"input": {"request": {"method": "GET"}}}, []),
        ("/access/v1/evaluation", "POST", EVALUATION | {"resource": {"type": "policy", "id": "prices"}}, []),
        ("/access/v1/evaluations", "POST", EVALUATION | {"resource": {"type": "policy", "id": "absent"}}, []),
    ],
)
def test_policies_out_of_scope(path: str, method: str, value: object, lines: Lines) -> None:
    """A token for some policies gets a 403 for any other, whether there is one or not, and does not learn its name."""
    answer = limited(path, lines, method, value)
    assert answer.problem == (403, "forbidden")
    assert "url=" not in path or "prices" not in answer.json["detail"]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_policies_in_scope(name: str) -> None:
    """A token for some policies gets the same about them as one for all, and of all policies only those."""
    answers = [send(guarded(), name, token, header="X-Cors-Token") for token in ("both", LIMITED)]
    if name == "policies":
        whole, part = (set(answer.json["policies"]) for answer in answers)
        assert (whole, part) == ({"catalogue", "prices", "status"}, {"catalogue", "status"})
        assert set(answers[1].json["origin_sets"]) == {"partners"}
    else:
        status, bodies = {answer.status for answer in answers}, [answer.body and answer.json for answer in answers]
        for body in filter(None, bodies):
            body.pop("decision_id", None)
        assert len(status) == 1
        assert bodies[0] == bodies[1]


@pytest.mark.parametrize("token", ["both", LIMITED, "unknown"])
def test_names_of_answers(token: str) -> None:
    """The name of an answer that stands in its body is that in its head, whoever asks."""
    tree = guarded()
    names = []
    for name in ("data", "apisix", "query", "data"):
        answer = send(tree, name, token)
        names.append(answer.header("Cors-Decision-Id"))
        if answer.status == 200 and name != "query":
            assert answer.json["decision_id"] == names[-1]
    assert len(set(names)) == len(names)


def test_names_in_scope() -> None:
    """All names are walked through once, however often somebody asks about one that does not exist."""
    walks = []

    class Many(dict[str, Any]):
        def __iter__(self) -> Iterator[str]:
            walks.append(1)
            return super().__iter__()

    within = Within(Many(dict.fromkeys(("zz-a", "a", "zz-b"))), ("zz-",))
    assert [nearest("zz-aaa", within) for _ in range(3)] == ["zz-a"] * 3
    assert (sorted(within), len(within), len(walks)) == (["zz-a", "zz-b"], 2, 1)


def test_batch_in_part() -> None:
    """In a batch, what a token may not ask is a problem in its place."""
    queries = [{"policy": name, "method": "GET"} for name in ("catalogue", "prices", "absent")]
    queries.append({"url": "https://api.example.com/prices/7", "method": "GET"})
    answer = limited("/v1/decisions", method="POST", value={"queries": queries})
    fits_closely(response_of("POST /v1/decisions", 200)["content"]["application/json"]["schema"], answer.json)
    found = [one.get("policy") or one["error"]["code"] for one in answer.json["decisions"]]
    assert found == ["catalogue", "forbidden", "forbidden", "forbidden"]


@pytest.mark.parametrize("mode", ["enforce", "report"])
def test_a_guard_may_be_meant(mode: str) -> None:
    """An error about a query that a token may not ask says whether a guard may be meant, like all others about one."""
    policies = POLICIES["policies"]
    prices = policies["prices"] | {"guard": {"hosts": ["api.example.com"], "mode": mode}}
    policy_set = read_document(POLICIES | {"policies": policies | {"prices": prices}})
    by = Caller(decision_resource(policy_set, clock=Clock(), access=read_access(document())))
    lines = [("X-Cors-Token", LIMITED)]
    queries = [{"policy": "prices", "method": "GET"}, {"url": "https://api.example.com/prices/7", "method": "GET"}]
    errors = [
        one["error"]
        for one in by.ask("POST", "/v1/decisions", json.dumps({"queries": queries}).encode(), lines).json["decisions"]
    ]
    for query in queries:
        answer = by.ask("POST", "/v1/decision", json.dumps(query).encode(), lines)
        assert answer.problem == (403, "forbidden")
        check(answer, COMPONENTS["responses"]["Forbidden"])
        errors.append(answer.json)
    assert [error.get("guarded") for error in errors] == [True if mode == "enforce" else None] * 4


@pytest.mark.parametrize("name", ENDPOINTS)
def test_remembered_answers_stay_with_who_may(name: str) -> None:
    """What was answered to one caller a moment ago is not given to another that may not ask for it."""
    tree = guarded(read_access(document('"other-"')))
    for _ in range(3):
        assert send(tree, name, "both").status in {200, 204}
        answer = send(tree, name, LIMITED)
        if name == "batch":
            assert [one["error"]["code"] for one in answer.json["decisions"]] == ["forbidden"]
        elif name == "evaluations":
            assert [one["context"]["error"]["code"] for one in answer.json["evaluations"]] == ["forbidden"]
        elif name not in {"policies", "status"}:
            assert answer.problem == (403, "forbidden")
        assert send(tree, name).status == 401


def test_no_other_policy_is_told() -> None:
    """A URL that may find several policies is refused without their names to who may not ask about all of them."""
    query = json.dumps({"method": "GET", "url": "https://api.example.com/catalogue/../prices/"}).encode()
    told = {}
    for token in (LIMITED, "both"):
        answer = Caller(guarded()).ask("POST", "/v1/decision", query, [("X-Cors-Token", token)])
        assert answer.problem == (400, "url-ambiguous")
        told[token] = "prices" in answer.json["detail"]
    assert told == {LIMITED: False, "both": True}


def test_no_token_is_told() -> None:
    """No answer has a token in it, and no line of the log, whatever is done with it."""
    told: list[str] = []

    def note(event: LogEvent) -> None:
        told.append(formatEvent(event) + repr(event))

    shown = itertools.product(ENDPOINTS, ("hunter2-unknown", "both"), ("Authorization", "X-Cors-Token"))
    with observed_by(note):
        told.extend(repr(send(guarded(), name, token, header=header)) for name, token, header in shown)
    assert "hunter2" not in "".join(told)
    assert any("without a known token" in line for line in told)


def on_the_wire(channel: type[DecisionChannel], name: str, token: str, transport: StringTransport) -> bytes:
    """What a connection of our own server answers."""
    _, method, path, value, lines = ENDPOINTS[name]
    body = b"" if value is None else json.dumps(value).encode()
    head = [f"{method} {path} HTTP/1.1", *(f"{key}: {text}" for key, text in lines), f"Content-Length: {len(body)}"]
    if "Host" not in dict(lines):
        head.append("Host: cors.test")
    if value is not None:
        head.append("Content-Type: application/json")
    if token:
        head.append(f"X-Cors-Token: {token}")
    protocol = DecisionSite(guarded(), Clock(), channel=channel).buildProtocol(None)
    protocol.makeConnection(transport)
    protocol.dataReceived("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    protocol.connectionLost(Failure(ConnectionDone()))
    return bytes(transport.value()).partition(b"\r\n")[0]


@pytest.mark.parametrize("channel", [QuickChannel, DecisionChannel])
@pytest.mark.parametrize("name", ENDPOINTS)
def test_both_channels(channel: type[DecisionChannel], name: str) -> None:
    """Requests that are read in one go are let through, or not, as those that are read line by line."""
    verb = ENDPOINTS[name][0]
    for token, allowed in [("both", True), ("decides", verb == "decide"), ("reads", verb == "read")]:
        line = on_the_wire(channel, name, token, StringTransport())
        assert (line.split()[1] in {b"200", b"204"}) == allowed
        assert allowed or line == b"HTTP/1.1 403 Forbidden"
    assert on_the_wire(channel, name, "", StringTransport()) == b"HTTP/1.1 401 Unauthorized"


class Verified(StringTransport):
    """A transport whose client has shown a certificate, which was verified."""

    def __init__(self, name: str) -> None:
        super().__init__()
        pem = Authority("the authority").sign(name).certificate
        self._certificate = X509.from_cryptography(x509.load_pem_x509_certificate(pem))

    def getPeerCertificate(self) -> X509:
        """Give the certificate."""
        return self._certificate


@pytest.mark.parametrize("channel", [QuickChannel, DecisionChannel])
def test_certificates(channel: type[DecisionChannel]) -> None:
    """The subject of the connection's certificate has verbs as a token has; another subject is nobody."""
    statuses = [
        on_the_wire(channel, name, "", Verified(subject)).split()[1]
        for subject, name in [("gateway", "auth-request"), ("gateway", "status"), ("other", "auth-request")]
    ]
    assert statuses == [b"200", b"403", b"401"]


def test_certificate_and_token() -> None:
    """A caller may do what its token and its certificate let it do together."""
    assert on_the_wire(QuickChannel, "status", "reads", Verified("gateway")).split()[1] == b"200"
    assert on_the_wire(QuickChannel, "auth-request", "reads", Verified("gateway")).split()[1] == b"200"


def test_changes() -> None:
    """A change of who may ask takes effect with the next request."""
    access = FixedAccess(read_access(document()))
    tree = guarded(access)
    asked = [send(tree, "form", LIMITED).status]
    access.active = read_access(document('"prices"'))
    asked.append(send(tree, "form", LIMITED).status)
    access.active = Access()
    asked.append(send(tree, "form", LIMITED).status)
    assert asked == [200, 403, 401]


def test_operators_apart() -> None:
    """Where operators have a listener of their own, they need their verb there, too."""
    operators = guarded().split_off_operators()
    found = [
        Caller(operators).get(path, [("Authorization", f"Bearer {token}")]).status
        for path in ("/v1/status", "/v1/policies", "/v1/policies/catalogue")
        for token in ("reads", "decides", "nobody")
    ]
    assert found == [200, 403, 401] * 3


def test_many_scopes() -> None:
    """There may be as many scopes as a document has tokens; what is remembered for them has an end."""
    count = 40
    document = "\n".join(
        token_entry(f"t{number}", f"t{number}", ["decide"], [f"cat{number}"]) for number in range(count)
    )
    tree = guarded(read_access(document + "\n" + token_entry("t", "t", ["decide"], ["cat"])))
    for _ in range(2):
        for number in range(count):
            assert send(tree, "form", f"t{number}").status == 403
            assert send(tree, "form", "t").status == 200
    found = tree.children[b"v1"].children[b"decision"]
    assert isinstance(found, Guarded)
    assert len(found._gate._within) <= 16


def test_scopes_share_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many scopes callers have, and however they ask, a process gives no more hints in a second than it may."""
    monkeypatch.setattr("cors_service.web._advice.MOST_HINTS", 3)
    tokens = [f"t{number}" for number in range(5)]
    tree = guarded(
        read_access("\n".join(token_entry(name, name, ["decide"], [f"cat{name}", "cat"]) for name in tokens))
    )
    stranger = QUERY | {"method": "TRACE", "origin": "https://stranger.example"}
    asked = [("/v1/decision", stranger), ("/v1/data/cors/decision", {"input": stranger})]
    answers = [
        Caller(tree).post(path, body, [("Authorization", f"Bearer {token}")]).body
        for token in tokens
        for path, body in asked
    ]
    assert [b'"hint":' in answer for answer in answers] == [True] * 3 + [False] * 7


def test_busy_scope_is_kept() -> None:
    """What is remembered for callers who ask is kept; the scope that goes is the one that was not asked for longest."""
    document = "\n".join(token_entry(f"t{number}", f"t{number}", ["decide"], [f"cat{number}"]) for number in range(30))
    tree = guarded(read_access(document + "\n" + token_entry("t", "t", ["decide"], ["cat"])))
    found = tree.children[b"v1"].children[b"decision"]
    assert isinstance(found, Guarded)
    kept = set()
    for number in range(30):
        send(tree, "form", "t")
        kept.add(id(found._gate._within["cat",]))
        send(tree, "form", f"t{number}")
    assert len(kept) == 1


def test_status_says_how_many() -> None:
    """The status counts tokens and certificates; where everybody may ask, it does not speak of them."""
    answer = send(guarded(), "status", "both")
    check(answer, response_of("GET /v1/status", 200))
    assert answer.json["access"] == {"tokens": 4, "certificates": 1}
    assert "access" not in Caller(decision_resource(read_document(POLICIES), clock=Clock())).get("/v1/status").json


def test_interface() -> None:
    """What never changes is a holder like any other."""
    verifyObject(IAccess, FixedAccess(Access()))


def test_verbs_of_the_tests() -> None:
    """The table of endpoints has every verb that is not about the administration of policies."""
    assert set(VERBS[:2]) == {endpoint[0] for endpoint in ENDPOINTS.values()}
