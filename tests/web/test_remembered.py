"""Tests that answers that are remembered are those that would be given anew, and that they are bounded.

What is asked here is asked of a tree that remembers and of one that has just been made, or that reads all of a body.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from cors_service.decision import BadQuery, Query
from cors_service.server import DecisionSite
from cors_service.server.channel import DecisionChannel
from cors_service.server.plain import read_plain
from cors_service.server.quick import QuickChannel
from cors_service.web import DecisionTree, Limits
from cors_service.web._decisions import DecisionEndpoint, DecisionsEndpoint
from cors_service.web._proxies import ProxyEndpoint
from cors_service.web._remembered import Remembered
from cors_service.wire.json_text import parse_json
from cors_service.wire.queries import read_query, read_query_text
from fuzz.request import Said, said
from tests.examples import examples
from tests.web.traversal import POLICIES, live, take_turns, tree, tree_of

PAGE, STRANGER = "https://status.example.com", "https://evil.example"
CHANGED: dict[str, Any] = {
    "version": 1,
    "policies": {
        "catalogue": {"match": ["api.example.com/catalogue/"], "origins": [PAGE], "methods": ["PATCH"], "max_age": 1},
        "prices": {"match": ["api.example.com/prices/"], "origins": [STRANGER]},
        "status": {"origins": [STRANGER], "credentials": True},
    },
}
"""Policies of the same names, under which most questions have other answers."""

QUERY = {"policy": "status", "method": "GET", "origin": PAGE}
FORM = f"/v1/decision?policy=status&origin={PAGE}"
Lines = tuple[tuple[str, str], ...]


def written(method: str, target: str, lines: Lines = (), body: bytes | None = None) -> bytes:
    """Write a request."""
    head = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in lines)]
    if not any(name == "Host" for name, _ in lines):
        head.append("Host: api.example.com")
    if body is not None:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "\r\n"]).encode("latin-1") + (body or b"")


def ask(resource: DecisionTree, sent: bytes, channel: type[DecisionChannel] = QuickChannel) -> Said:
    """Send a request to a tree; give the answer, without what differs in each."""
    clock, wire = Clock(), StringTransport()
    clock.advance(1e9)
    connection: Any = DecisionSite(resource, clock, channel=channel).buildProtocol(None)
    connection.makeConnection(wire)
    connection.dataReceived(sent)
    take_turns(resource)
    connection.connectionLost(Failure(ConnectionDone()))
    [answer] = said(wire.value())
    return answer


def proxied(site: str = "https://api.example.com", path: str = "/catalogue/x") -> dict[str, tuple[str, str, Lines]]:
    """How each family of proxies asks about a preflight of PAGE: method, path, and the headers that it sets."""
    asked = (("Origin", PAGE), ("Access-Control-Request-Method", "GET"))
    scheme, _, host = site.partition("://")
    forwarded = (
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-Forwarded-Proto", scheme),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Uri", path),
    )
    original = (("X-Original-Method", "OPTIONS"), ("X-Original-URL", site + path))
    return {
        "auth-request": ("GET", "/v1/auth-request/status", asked + original),
        "forward-auth": ("GET", "/v1/forward-auth/status", asked + forwarded),
        "ext-authz": ("OPTIONS", f"/v1/ext-authz/status{path}", (*asked, ("Host", host))),
        "preflight": ("OPTIONS", f"/v1/preflight/status{path}", (*asked, ("Host", host))),
        "enforce": ("OPTIONS", "/v1/enforce/status", asked + forwarded),
    }


SINGLE = {
    "POST": written("POST", "/v1/decision", body=json.dumps(QUERY).encode()),
    "GET": written("GET", FORM),
    "HEAD": written("HEAD", FORM),
    "batch": written("POST", "/v1/decisions", body=json.dumps({"queries": [QUERY, QUERY]}).encode()),
    **{name: written(*how) for name, how in proxied().items()},
}


def memories(resource: DecisionTree) -> Iterator[Remembered[Any, Any]]:
    """All memories of a tree."""
    for child in resource.children[b"v1"].children.values():
        for value in vars(child).values():
            if isinstance(value, Remembered):
                yield value


def count(memory: Remembered[Any, Any]) -> int:
    """How many answers there are in a memory."""
    return len(memory._memo.young) + len(memory._memo._old)


def remembered(resource: DecisionTree) -> int:
    """How many answers a tree remembers."""
    return sum(map(count, memories(resource)))


# Other hosts.

TENANTS = {
    "version": 1,
    "policies": {"status": {"match": ["<tenant>.api.test/"], "origins": ["https://<tenant>.app.test"]}},
}


def forms(origin: str, host: str) -> dict[str, bytes]:
    """How a preflight of a page for a host is asked about, in every way."""
    query = {"policy": "status", "url": f"https://{host}/", "origin": origin, "method": "GET"}
    body = json.dumps(query).encode()
    lines = [("Origin", origin), ("Access-Control-Request-Method", "GET")]
    asked = {
        name: written(method, path, (*lines, *(line for line in told if line[0] not in dict(lines))))
        for name, (method, path, told) in proxied(f"https://{host}").items()
    }
    return {
        "POST": written("POST", "/v1/decision", body=body),
        "GET": written("GET", f"/v1/decision?{urlencode(query)}"),
        "batch": written("POST", "/v1/decisions", body=b'{"queries": [%b]}' % body),
        **asked,
    }


@pytest.mark.parametrize("name", forms("", ""))
def test_other_hosts(name: str) -> None:
    """What is decided by the host of a request is not remembered for another host."""
    resource = tree(TENANTS)
    for _ in range(4):
        for tenant, host in (("acme", "acme"), ("evil", "acme"), ("acme", "evil"), ("evil", "evil")):
            answer = ask(resource, forms(f"https://{tenant}.app.test", f"{host}.api.test")[name])
            told = f"{answer.lines}{answer.body!r}".lower()
            assert ("access-control-allow-origin" in told) == (tenant == host)


# Other policies.


@pytest.mark.parametrize("sent", SINGLE.values(), ids=SINGLE)
def test_other_policies(sent: bytes) -> None:
    """An answer that is remembered is not given under other policies, nor is one of those given when the first are
    back.
    """
    store, policies = live(POLICIES, Clock())
    policies.startService()
    resource = tree_of(policies)
    first, second = ask(tree(POLICIES), sent), ask(tree(CHANGED), sent)
    assert first != second
    for document, expected in ((POLICIES, first), (CHANGED, second), (POLICIES, first)):
        store.replace(document)
        assert [ask(resource, sent) for _ in range(4)] == [expected] * 4
        assert remembered(resource) == 1
    policies.stopService()


def test_no_policies() -> None:
    """Nothing is remembered of the time without policies."""
    store, policies = live({}, Clock())
    resource = tree_of(policies)
    nothing = {name: [ask(resource, sent) for _ in range(4)] for name, sent in SINGLE.items()}
    assert {answers[-1].status for answers in nothing.values()} >= {b"503", b"403"}
    store.replace(POLICIES)
    policies.startService()
    assert {name: ask(resource, sent) for name, sent in SINGLE.items()} == {
        name: ask(tree(), sent) for name, sent in SINGLE.items()
    }
    policies.stopService()


def test_tag_of_other_policies() -> None:
    """Who holds the answer of other policies gets the new one, and who holds the new one gets a 304."""
    store, policies = live(POLICIES, Clock())
    policies.startService()
    resource = tree_of(policies)
    tags = {}
    for name, document in {"first": POLICIES, "second": CHANGED}.items():
        store.replace(document)
        answer = [ask(resource, SINGLE["GET"]) for _ in range(3)][-1]
        tags[name] = dict(answer.lines)[b"etag"].decode()
        statuses = {
            tag: ask(resource, written("GET", FORM, (("If-None-Match", value),))).status for tag, value in tags.items()
        }
        assert statuses == {tag: b"304" if tag == name else b"200" for tag in tags}
        assert ask(resource, SINGLE["GET"]) == answer
    policies.stopService()


# Other questions.

NAMES = ("status", "catalogue", "prices", "-", "nothing", "stat%75s", "", "%2d")
HEADERS: dict[str, tuple[str, ...]] = {
    "Origin": (PAGE, STRANGER, "https://partner.example", "https://api.example.com", "null", "\xe9"),
    "Access-Control-Request-Method": ("GET", "PUT", "PATCH", ""),
    "Access-Control-Request-Headers": ("x-catalogue-a", "authorization", "x-b", ""),
    "X-Original-Method": ("GET", "OPTIONS", ""),
    "X-Original-URL": ("https://api.example.com/catalogue/x", "https://api.example.com/prices/", "/"),
    "X-Forwarded-Method": ("GET", "OPTIONS", "PUT"),
    "X-Forwarded-Proto": ("https", "http", ""),
    "X-Forwarded-Host": ("api.example.com", "evil.example", "a/b"),
    "X-Forwarded-Uri": ("/catalogue/x", "/prices/", "x", ""),
    "Host": ("api.example.com", "evil.example"),
}


@st.composite
def questions(draw: st.DrawFn) -> bytes:
    """A request to an endpoint that remembers; there are few of them, so that they come again and again."""
    mount = draw(st.sampled_from(["", "", "/mounted", "/v1/status"]))
    kind = draw(st.sampled_from(["single", *proxied(), *proxied()]))
    if kind == "single":
        return draw(st.sampled_from(list(SINGLE.values())))
    _, _, usual = proxied()[kind]
    lines = dict(usual)
    for name in draw(st.lists(st.sampled_from(list(HEADERS)), max_size=3)):
        lines[name] = draw(st.sampled_from([*HEADERS[name], "\0"]))
    repeated = [
        (name, draw(st.sampled_from(HEADERS[name])))
        for name in draw(st.sampled_from([[], [], ["Origin"], ["X-Forwarded-Host"]]))
    ]
    method = draw(st.sampled_from(["GET", "OPTIONS", "OPTIONS", "HEAD", "POST"]))
    path = draw(st.sampled_from(["", "", "/catalogue/x", "/prices/", "/prices//%2e", "?a", "/"]))
    sent = tuple((name, value) for name, value in lines.items() if value != "\0")
    return written(method, f"{mount}/v1/{kind}/{draw(st.sampled_from(NAMES))}{path}", (*sent, *repeated))


def mounted(document: dict[str, Any]) -> DecisionTree:
    """A tree that can be found under another path as well."""
    made = tree(document)
    made.putChild(b"mounted", made)
    return made


WARM = {name: mounted(document) for name, document in {"first": POLICIES, "second": CHANGED}.items()}


@given(st.lists(questions(), min_size=1, max_size=6), st.randoms(use_true_random=False), st.sampled_from(list(WARM)))
@examples(150)
def test_other_questions(asked: list[bytes], random: Any, name: str) -> None:
    """A tree that remembers what it was asked, by whatever method, under whatever path, with whatever headers, answers
    as one does that has just been made.
    """
    document = {"first": POLICIES, "second": CHANGED}[name]
    expected = {sent: ask(mounted(document), sent, DecisionChannel) for sent in asked}
    again = asked * 3
    random.shuffle(again)
    for sent in again:
        assert ask(WARM[name], sent) == expected[sent]


@pytest.mark.parametrize("name", proxied())
def test_each_header_counts(name: str) -> None:
    """A remembered answer is not given to a question in which one header differs, is missing or is repeated."""
    resource, (method, path, lines) = tree(), proxied()[name]
    own = written(method, path, lines)
    for _ in range(3):
        ask(resource, own)
    assert remembered(resource) == 1
    for at, (header, value) in enumerate(lines):
        ways = [[(header, "other.example")], [(header, "")]]
        if header != "Host":
            ways += [[], [(header, value), (header, value)]]
        for others in ways:
            sent = written(method, path, (*lines[:at], *others, *lines[at + 1 :]))
            expected = ask(tree(), sent)
            assert [ask(resource, sent) for _ in range(3)] == [expected] * 3
    assert ask(resource, own) == ask(tree(), own)


def test_each_method_counts() -> None:
    """An answer is not given to a question by another method, where the method is that of the request received."""
    resource = tree()
    lines = (("Origin", "https://partner.example"), ("Host", "api.example.com"))
    asked = [written(method, "/v1/ext-authz/catalogue/x", lines) for method in ("GET", "PATCH", "DELETE", "OPTIONS")]
    answers = [ask(tree(), sent) for sent in asked]
    assert answers[0] != answers[1]
    for _ in range(3):
        assert [ask(resource, sent) for sent in asked] == answers


def test_each_spelling_counts() -> None:
    """An answer is not given to a question about a path that is only equal to its own when both are decoded."""
    resource = tree()
    paths = ["-/catalogue/x", "-/catalogue%2Fx", "%2d/catalogue/x", "-%2Fcatalogue/x", "-/catalogue//x", "catalogue/x"]
    asked = [written("GET", f"/v1/ext-authz/{path}", (("Host", "api.example.com"), ("Origin", PAGE))) for path in paths]
    answers = [ask(tree(), sent) for sent in asked]
    assert answers[0] != answers[1]
    for _ in range(3):
        assert [ask(resource, sent) for sent in asked] == answers


def test_each_mount_counts() -> None:
    """An answer is not given to a question of the same path to the same tree where that stands in another place."""
    inner, outer = tree(), tree()
    outer.children[b"v1"].putChild(b"ext-authz", inner)
    sent = written("GET", "/v1/ext-authz/v1/ext-authz/status", (("Host", "api.example.com"), ("Origin", PAGE)))
    answers = [ask(tree(), sent), ask(tree(), written("GET", "/v1/ext-authz/status", (("Origin", PAGE),)))]
    assert answers[0] != answers[1]
    for _ in range(3):
        assert [ask(inner, sent), ask(outer, sent)] == answers


@pytest.mark.parametrize("name", proxied())
def test_undecided_is_not_remembered(name: str) -> None:
    """What can't be decided is found out each time, so that the log keeps reporting it."""
    resource, (method, path, lines) = tree(), proxied()[name]
    for _ in range(3):
        answer = ask(resource, written(method, path.replace("status", "nothing"), lines))
    assert dict(answer.lines)[b"cors-decision"] == b"no-policy"
    assert remembered(resource) == 0


# Batches.


def by_value(limits: Limits | None = None) -> DecisionTree:
    """A tree that reads the whole of a batch, and remembers nothing of it."""
    made = tree(limits=limits)
    made.children[b"v1"].children[b"decisions"]._by_text = lambda *_: iter(())
    return made


Q = json.dumps(QUERY).encode()
REFUSED = Q.replace(b"status.example.com", b"evil.example")
BATCHES = {
    "none": b'{"queries":[]}',
    "one": b'{"queries":[%b]}' % Q,
    "two": b'{"queries":[%b,%b]}' % (Q, REFUSED),
    "bad ones": b'{"queries":[%b,{},[],1,"a",null,true,{"method":1},{"method":"GET","policy":"x"}]}' % Q,
    "white space everywhere": b' \t\r\n{ \n"queries"\t:\r[ %b \n, \t%b\r] } \n' % (Q.replace(b":", b" : "), Q),
    "other white space": b'{"queries":[%b]}\x0b' % Q,
    "no-break spaces": b'{"queries":\xc2\xa0[%b]}' % Q,
    "a byte order mark": b'\xef\xbb\xbf{"queries":[%b]}' % Q,
    "NUL behind": b'{"queries":[%b]}\x00' % Q,
    "the key twice": b'{"queries":[%b],"queries":[%b]}' % (Q, REFUSED),
    "the key twice, with spaces": b'{"queries":[%b], "queries" :[%b]}' % (Q, REFUSED),
    "the key with an escape": b'{"\\u0071ueries":[%b]}' % Q,
    "the key twice, once with an escape": b'{"queries":[%b],"\\u0071ueries":[%b]}' % (Q, REFUSED),
    "the key twice, first with an escape": b'{"quer\\u0069es":[%b],"queries":[%b]}' % (Q, REFUSED),
    "a field besides": b'{"queries":[%b],"a":1}' % Q,
    "a field before": b'{"a":{"queries":[1]},"queries":[%b]}' % Q,
    "the key in a query": b'{"queries":[{"queries":[],"method":"GET","policy":"status"}]}',
    "the key in a string": b'{"queries":[{"method":"GET","policy":"\\"queries\\""}]}',
    "the key as a value": b'{"a":"queries","queries":[%b]}' % Q,
    "the key as the only value": b'{"a":"queries"}',
    "no object": b"[%b]" % Q,
    "a list of it": b'[{"queries":[%b]}]' % Q,
    "no list": b'{"queries":%b}' % Q,
    "null": b'{"queries":null}',
    "nothing": b"",
    "a comma too many": b'{"queries":[%b,]}' % Q,
    "a comma behind": b'{"queries":[%b],}' % Q,
    "a second value": b'{"queries":[%b]}{}' % Q,
    "an end that is missing": b'{"queries":[%b]' % Q,
    "an end too early": b'{"queries":[%b' % Q[:-1],
    "invalid UTF-8 in a query": b'{"queries":[%b,{"method":"GET","policy":"\xff"}]}' % Q,
    "invalid UTF-8 in a name": b'{"queries":[{"method":"GET","\xff":"status"}]}',
    "half a character in UTF-8": b'{"queries":[{"method":"GET","policy":"\xed\xa0\x80"}]}',
    "half a character": b'{"queries":[{"method":"GET","policy":"\\ud800"}]}',
    "half a character in a field that is ignored": b'{"queries":[{"method":"GET","policy":"status","x":"\\ud800"}]}',
    "a whole character in two halves": b'{"queries":[{"method":"GET","policy":"\\ud83d\\ude00"}]}',
    "a key twice in a query": b'{"queries":[{"method":"GET","policy":"status","policy":"prices"}]}',
    "a key twice in headers": b'{"queries":[{"method":"GET","policy":"status","headers":{"Origin":"a","Origin":"b"}}]}',
    "a key twice, and a colon in a value": b'{"queries":[{"method":"GET","policy":":","policy":"status","url":":"}]}',
    "a key twice in a field that is ignored": b'{"queries":[{"method":"GET","policy":"status","x":{"a":1,"a":1}}]}',
    "NaN": b'{"queries":[{"method":"GET","policy":"status","x":NaN}]}',
    "a number without an end": b'{"queries":[{"method":"GET","policy":"status","x":1.}]}',
    "a number with a zero before": b'{"queries":[01]}',
    "a very large number": b'{"queries":[{"method":"GET","policy":"status","x":%b}]}' % (b"9" * 5000),
    "a number without limit": b'{"queries":[{"method":"GET","policy":"status","x":1e999}]}',
    "a control character in a string": b'{"queries":[{"method":"GET","policy":"sta\ttus"}]}',
    "NUL in a string": b'{"queries":[{"method":"GET","policy":"\x00"}]}',
    "DEL in a string": b'{"queries":[{"method":"GET","policy":"\x7f"}]}',
    "an escape that is none": b'{"queries":[{"method":"GET","policy":"\\x"}]}',
    "a comment": b'{"queries":[%b/**/]}' % Q,
    "headers as pairs": b'{"queries":[{"method":"GET","policy":"status","headers":[["Origin","%b"]]}]}' % PAGE.encode(),
    "headers as triples": b'{"queries":[{"method":"GET","policy":"status","headers":[["Origin","a","b"]]}]}',
    "headers of lists": b'{"queries":[{"method":"GET","policy":"status","headers":{"Origin":["%b"]}}]}' % PAGE.encode(),
    "headers that are null": b'{"queries":[{"method":"GET","policy":"status","headers":null,"url":null}]}',
    "headers besides origin": b'{"queries":[{"method":"GET","policy":"status","origin":"a","headers":{"origin":"b"}}]}',
    "deep": b'{"queries":[%b,%b1%b]}' % (Q, b"[" * 100, b"]" * 100),
    "as many as can be": b'{"queries":[%b]}' % b",".join([Q] * 4),
    "one too many": b'{"queries":[%b]}' % b",".join([Q] * 5),
    "many too many, one of them no JSON": b'{"queries":[%b,}]}' % b",".join([Q] * 5),
    "very many": b'{"queries":[%b]}' % b",".join([b"{}"] * 1001),
}
WARM_BATCHES, READING = tree(limits=Limits(batch=4)), by_value(Limits(batch=4))


def same_batch(body: bytes) -> None:
    """Ask a tree that remembers thrice, and one that reads the whole of it."""
    sent = written("POST", "/v1/decisions", body=body)
    expected = ask(READING, sent)
    assert [ask(WARM_BATCHES, sent) for _ in range(3)] == [expected] * 3


@pytest.mark.parametrize("body", BATCHES.values(), ids=BATCHES)
def test_batch(body: bytes) -> None:
    """A batch is answered as if all of it were read, however it is written."""
    same_batch(body)


def test_batches_are_not_all_alike() -> None:
    """Some of those batches are decided, some are refused for what they are not, and the usual ones are remembered."""
    resource = tree(limits=Limits(batch=4))
    statuses = {
        name: ask(resource, written("POST", "/v1/decisions", body=body)).status for name, body in BATCHES.items()
    }
    assert {b"200", b"400"} == set(statuses.values())
    assert [statuses[name] for name in ("as many as can be", "one too many", "very many")] == [b"200", b"400", b"400"]
    [memory] = [one for one in memories(resource) if count(one)]
    assert Q in memory._memo.young


TEXTS = [body[len(b'{"queries":[') : -len(b"]}")] for body in BATCHES.values() if body.startswith(b'{"queries":[')]
PIECES = st.sampled_from(
    [
        b'"',
        b":",
        b",",
        b"{",
        b"}",
        b"[",
        b"]",
        b" ",
        b"\\",
        b"\\u",
        b"\x00",
        b"\xff",
        b"1",
        b'"policy"',
        b'"policy":"prices",',
        b'"queries"',
        b'"queries":[],',
        b'":"',
        b'" :',
        b"null",
        b'"headers":{"Origin":"a"},',
        b'"origin":null',
        b"\n",
        b"\xe2\x82\xac",
    ]
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """The text of a query, or of something that comes near."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.one_of(PIECES, st.just(b""))) + text[start + draw(st.integers(0, 3)) :]
    return text


@given(st.lists(texts(), max_size=4), st.one_of(st.none(), PIECES), st.integers(0, 400))
@examples(300)
def test_any_batch(written_queries: list[bytes], put: bytes | None, at: int) -> None:
    """Whatever a batch is, it is answered as if all of it were read."""
    body = b'{"queries": [%b]}' % b" ,".join(written_queries)
    same_batch(body if put is None else body[:at] + put + body[at:])


def outcome(read: Callable[[bytes], Query], text: bytes) -> Query | tuple[str, str]:
    """A query, or what is wrong with it."""
    try:
        return read(text)
    except BadQuery as error:
        return error.code, error.message


@given(texts())
@example(Q)
@example(b'{"method":"GET","method":":"}')
@example(b'{"method":":","method":"GET"}')
@example(b'{"method":"GET","headers":{"":"","":":"}}')
@example(b'{"method":"GET","headers":{"a":"b"},"headers":{}}')
@example(b'{"method":"GET","headers":[],"headers":{"":""}}')
@example(b'{"method":"GET","url":"a","url" :null}')
@example(b'{"method":"\x7f\xc2\x80"}')
@example(b'{"method":"\x1f"}')
@example(b'{"method":"GET"}\x00')
@example(b'{"method":"GET"}\x0c')
@example(b'\xef\xbb\xbf{"method":"GET"}')
@examples(500)
def test_query_is_read_as_json(text: bytes) -> None:
    """A usual query is read faster, but not differently."""
    assert outcome(read_query_text, text) == outcome(lambda given: read_query(parse_json(given)), text)


# How much is remembered.


def status_of_answer(resource: DecisionTree, sent: bytes) -> int:
    """Ask an endpoint without a connection; give the status."""
    request, _ = read_plain(sent, 0, DecisionSite(resource, Clock()).limits)
    assert request is not None
    found: Any = resource
    while request.postpath and not found.isLeaf:
        request.prepath.append(request.postpath.pop(0))
        found = found.children[request.prepath[-1]]
    status: int = found.answer(request).status
    return status


def unique(kind: str, host: str = "a") -> Iterator[bytes]:
    """Questions that nobody asked before, about origins whose hosts begin with this."""
    for number in itertools.count():
        origin = f"https://{host}{number}.example"
        body = json.dumps(QUERY | {"origin": origin}).encode()
        if kind == "POST":
            yield written("POST", "/v1/decision", body=body)
        elif kind == "batch":
            yield written("POST", "/v1/decisions", body=b'{"queries":[%b]}' % body)
        elif kind == "GET":
            yield written("GET", f"/v1/decision?policy=status&origin={origin}")
        else:
            method, path, lines = proxied()[kind]
            yield written(method, path, tuple((name, origin if name == "Origin" else value) for name, value in lines))


KINDS = ("POST", "GET", "batch", *proxied())


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_questions_are_not_remembered(kind: str) -> None:
    """Questions that each come once are not remembered, however many there are, and drive out nothing that is."""
    resource, hostile = tree(), unique(kind)
    usual = next(hostile)
    for _ in range(2):
        status_of_answer(resource, usual)
    [memory] = [one for one in memories(resource) if count(one)]
    for sent in itertools.islice(hostile, 5000):
        status_of_answer(resource, sent)
    assert count(memory) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_bounded(kind: str) -> None:
    """Of questions that each come twice, no more than 4,096 are remembered; those that came last are."""
    resource = tree()
    for sent in itertools.islice(unique(kind), 5000):
        for _ in range(2):
            status_of_answer(resource, sent)
    [memory] = [one for one in memories(resource) if count(one)]
    assert 2048 <= count(memory) <= 4096
    before = count(memory)
    status_of_answer(resource, sent)
    assert count(memory) == before


@pytest.mark.parametrize("kind", KINDS)
def test_long_questions_are_not_remembered(kind: str) -> None:
    """A question of more than 1,024 bytes is not remembered."""
    resource = tree()
    sent = next(unique(kind, "a" * 1024))
    for _ in range(3):
        status_of_answer(resource, sent)
    assert remembered(resource) == 0


def test_what_remembers() -> None:
    """The tests above know each endpoint that remembers."""
    children = tree().children[b"v1"].children
    found = {
        name for name, child in children.items() if any(isinstance(value, Remembered) for value in vars(child).values())
    }
    assert found == {b"decision", b"decisions", *(name.encode() for name in proxied())}
    assert isinstance(children[b"decision"], DecisionEndpoint)
    assert isinstance(children[b"decisions"], DecisionsEndpoint)
    assert all(isinstance(children[name.encode()], ProxyEndpoint) for name in proxied())
