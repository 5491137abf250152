"""Tests that the two channels agree: whatever arrives, in whatever pieces, they answer alike and close alike.

`fuzz.request.compare` holds them against each other, and requests that are read in one go against h11 and against
Twisted's own channel. Here are the requests: written by a grammar, then made odd, mutated, put one behind the other and
cut into pieces.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from msgspec import structs
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from cors_service.server import DecisionSite, ServerLimits
from cors_service.server import quick as _quick
from cors_service.server.channel import DecisionChannel
from cors_service.server.plain import read_plain
from cors_service.server.quick import QuickChannel
from cors_service.web import decision_resource
from fuzz.request import LIMITS, POLICY_SET, Wire, compare, said
from tests.e2e.hostile import HONEST, HOSTILE
from tests.examples import examples

EXAMPLES = 1000
QUERY = b'{"policy":"app","method":"GET","origin":"https://app.example.com"}'
BATCH = b'{"queries":[%b,%b,{}]}' % (QUERY, QUERY)
TARGETS = (
    b"/v1/decision",
    b"/v1/decision?policy=prices&origin=https://a.example",
    b"/v1/decision?policy=app&origin=https://app.example.com&request_method=PUT",
    b"/v1/decisions",
    b"/v1/forward-auth/app",
    b"/v1/forward-auth/%61pp",
    b"/v1/auth-request/-",
    b"/v1/ext-authz/app/api/x?y",
    b"/v1/preflight/app/api/x",
    b"/v1/enforce/app",
    b"/v1/policies",
    b"/v1/policies/prices",
    b"/v1/policies/",
    b"/livez",
    b"/readyz",
    b"/",
    b"//",
    b"/v1//decision",
    b"/v1/decision/",
    b"/v1/../livez",
    b"/%2e/%zz/%",
    b"/livez?",
    b"/livez?a=%&b;c",
    b"/livez#a",
    b'/a"b<c>{d}|\\^`',
)
ODD_TARGETS = (
    b"livez",
    b"*",
    b"http://a.example/livez",
    b"",
    b"/a b",
    b"/\xc3\xa9",
    b"/\x00",
    b"/a\tb",
    b"/\x7f",
    b"?",
)
METHODS = (b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"get", b"CONNECT", b"TRACE", b"M-SEARCH", b"!", b"Q" * 40)
ODD_METHODS = (b"", b"G@T", b"G(T", b"\xc3\x89", b"GET\x00", b" GET", b"G\tT")
VERSIONS = (
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"HTTP/01.1",
    b"HTTP/1.10",
    b"HTTP/1.",
    b"",
)
HOSTS = (b"a", b"a.example:8080", b"[::1]:80", b"", b"%41")
ODD_HOSTS = (b"a b", b"a,b", b"a/b", b"\xe9", b"a\x00", b'"')
HARMLESS = (
    b"Accept: */*",
    b"Accept:",
    b"User-Agent: x",
    b'User-Agent: \xe9\xff"\\',
    b"Referer: http://a.example/",
    b"referer: b",
    b"Connection: keep-alive",
    b"connection:Keep-Alive",
    b"Keep-Alive: timeout=5",
    b"Content-Type: application/json",
    b"Content-Type: text/plain",
    b"Content-Encoding: gzip",
    b"Cookie: a=b; c; =d",
    b"Origin: https://app.example.com",
    b"ORIGIN:\t https://app.example.com \t",
    b"Origin: null",
    b"Origin: \xe9",
    b"Access-Control-Request-Method: PUT",
    b"Access-Control-Request-Headers: content-type",
    b"Access-Control-Request-Headers: x-a, \xe9",
    b"X-Original-Method: GET",
    b"X-Original-URL: https://app.example.com/api/x",
    b"X-Forwarded-Method: OPTIONS",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: app.example.com",
    b"X-Forwarded-Uri: /api/x",
    b"X-Request-ID: abc",
    b"X-Request-ID: a b",
    b'If-None-Match: "x", *',
    b"If-None-Match: *",
    b"!#$%&'*+.^_`|~1A-: x",
    b"TE: trailers",
    b"Trailer: x",
    b"Authorization: Basic Og==",
    b"HTTP2-Settings: AAMAAABk",
    b"Forwarded: for=a",
    b"X: a:b:c",
)
ODD_LINES = (
    b"Expect: 100-continue",
    b"Expect: 200-ok",
    b"Connection: close",
    b"Connection: keep-alive, close",
    b"Connection: upgrade",
    b"Connection:",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"transfer-encoding:\tchunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer_Encoding: chunked",
    b"Transfer-Encoding : chunked",
    b" Transfer-Encoding: chunked",
    b"\tfolded",
    b" folded",
    b" ",
    b"no colon",
    b": no name",
    b"X : a",
    b"X\t: a",
    b"X(: a",
    b"\xe9: a",
    b"X\x00: a",
    b"X: a\x00b",
    b"X: a\rb",
    b"X: a\nb",
    b"X: a\x0bb\x0cc",
    b"X: \x7f",
    b"X: a\r",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"content-length : 5",
    b"Content_Length: 5",
    b"Host: b",
    b"HOST: a",
    b"X: " + b"x" * LIMITS.head,
)
BODIES = (QUERY, BATCH, b"", b"{}", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"x" * LIMITS.body)
LENGTHS = (
    b"+%d",
    b"-%d",
    b"00%d",
    b"%d, %d",
    b"%d,",
    b"0x%d",
    b"%d_0",
    b" %d\t",
    b"%d.0",
    b"\xc2\xb2%d",
    b"%d" + b"0" * 20,
    b"%d" + b"0" * 5000,
    b"",
    b"1%d",
    b"%d 1",
)
CHUNKS = (
    b"%x\r\n%b\r\n0\r\n\r\n",
    b"%x;a=b\r\n%b\r\n0\r\n\r\n",
    b"0%x\r\n%b\r\n0\r\nX: y\r\n\r\n",
    b"%x\n%b\r\n0\r\n\r\n",
    b"%x\r\n%b0\r\n\r\n",
    b"%x\r\n%b\r\n0\r\nX\r\n\r\n",
    b"%x\r\n%b\r\n",
)
LINE_ENDS = (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b" \r\n")


class Sent(NamedTuple):
    """A request before it is put together."""

    first: bytes
    lines: list[bytes]
    ends: list[bytes]
    body: bytes


@st.composite
def plain(draw: st.DrawFn) -> Sent:
    """A request that most readers read, and the quick channel in one go if it is small enough."""
    lines = [b"Host: " + draw(st.sampled_from(HOSTS)), *draw(st.lists(st.sampled_from(HARMLESS), max_size=6))]
    method, target = draw(st.sampled_from(METHODS)), draw(st.sampled_from(TARGETS))
    body = b""
    if draw(st.booleans()):
        body = draw(
            st.sampled_from([QUERY, BATCH, b"", b"{}", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"x" * LIMITS.body])
        )
        lines.append(b"Content-Length: %d" % len(body))
    lines = draw(st.permutations(lines))
    return Sent(b"%b %b HTTP/1.1" % (method, target), lines, [b"\r\n"] * (len(lines) + 2), body)


def at_a_place(draw: st.DrawFn, things: list[bytes]) -> int:
    """Choose a place in a list of things."""
    return draw(st.integers(0, len(things) - 1)) if things else 0


def another_first_line(draw: st.DrawFn, sent: Sent) -> Sent:
    """Change the method, the target, the version, or what stands between them."""
    method, target, version = sent.first.split(b" ")
    method = draw(st.sampled_from((method, *ODD_METHODS)))
    target = draw(st.sampled_from((target, *ODD_TARGETS)))
    version = draw(st.sampled_from((b"HTTP/1.1", *VERSIONS)))
    space = draw(st.sampled_from((b" ", b" ", b"  ", b"\t", b"\x0b", b"")))
    return sent._replace(first=b"%b %b%b%b" % (method, target, space, version))


def another_host(draw: st.DrawFn, sent: Sent) -> Sent:
    """Leave out Host, or send another or a second one."""
    without = [line for line in sent.lines if not line.startswith(b"Host")]
    hosts = draw(st.lists(st.sampled_from(HOSTS + ODD_HOSTS), max_size=2))
    return with_lines(sent, [*(b"Host: " + host for host in hosts), *without])


def another_length(draw: st.DrawFn, sent: Sent) -> Sent:
    """Say the length in another way, wrongly, or twice."""
    form = draw(st.sampled_from(LENGTHS))
    said = form.replace(b"%d", b"%d" % len(sent.body))
    without = [line for line in sent.lines if draw(st.booleans()) or not line.startswith(b"Content-Length")]
    return with_lines(sent, [*without, b"Content-Length: " + said])


def an_odd_line(draw: st.DrawFn, sent: Sent) -> Sent:
    """Put an odd line in between."""
    at = at_a_place(draw, sent.lines)
    return with_lines(sent, [*sent.lines[:at], draw(st.sampled_from(ODD_LINES)), *sent.lines[at:]])


def many_lines(draw: st.DrawFn, sent: Sent) -> Sent:
    """Send as many lines as there can be, one less or one more."""
    missing = LIMITS.head_lines - len(sent.lines) + draw(st.integers(-1, 1))
    return with_lines(sent, sent.lines + [b"X: y"] * max(missing, 0))


def a_long_line(draw: st.DrawFn, sent: Sent) -> Sent:
    """Make the head as long as it can be, a byte shorter or longer."""
    head = sum(map(len, [sent.first, *sent.lines, *sent.ends])) + len(b"X: \r\n")
    return with_lines(sent, [*sent.lines, b"X: " + b"y" * max(LIMITS.head - head + draw(st.integers(-1, 1)), 0)])


def another_end(draw: st.DrawFn, sent: Sent) -> Sent:
    """End a line in another way."""
    at = at_a_place(draw, sent.ends)
    return sent._replace(ends=[*sent.ends[:at], draw(st.sampled_from(LINE_ENDS)), *sent.ends[at + 1 :]])


def chunks(draw: st.DrawFn, sent: Sent) -> Sent:
    """Send the body in chunks, perhaps with a length as well."""
    without = [line for line in sent.lines if not line.startswith(b"Content-Length") or draw(st.booleans())]
    form = draw(st.sampled_from(CHUNKS))
    return with_lines(sent, [*without, b"Transfer-Encoding: chunked"])._replace(body=form % (len(sent.body), sent.body))


def another_body(draw: st.DrawFn, sent: Sent) -> Sent:
    """Send less of the body than was said, or more."""
    return sent._replace(
        body=draw(st.sampled_from([sent.body[:-1], sent.body + b"\r\n", sent.body + b"G", b"x" * 2100]))
    )


def a_line_before(draw: st.DrawFn, sent: Sent) -> Sent:
    """Send empty lines first."""
    return sent._replace(first=draw(st.sampled_from([b"\r\n", b"\r\n\r\n", b"\n", b"\r"])) + sent.first)


def with_lines(sent: Sent, lines: list[bytes]) -> Sent:
    """The request with other header lines."""
    return sent._replace(lines=lines, ends=[b"\r\n"] * (len(lines) + 2))


TWISTS: tuple[Callable[[st.DrawFn, Sent], Sent], ...] = (
    another_host,
    another_length,
    # There are most of these.
    *[an_odd_line] * 6,
    many_lines,
    a_long_line,
    chunks,
    another_body,
    another_end,
    a_line_before,
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, most often an honest one."""
    sent = draw(plain())
    if draw(st.sampled_from(range(4))) == 3:
        if draw(st.sampled_from(range(5))) == 4:
            sent = another_first_line(draw, sent)
        for twist in draw(st.lists(st.sampled_from(TWISTS), min_size=1, max_size=2)):
            sent = twist(draw, sent)
    parts = [sent.first, *sent.lines, b""]
    return b"".join(part + end for part, end in zip(parts, sent.ends, strict=True)) + sent.body


def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Change, leave out, put in or repeat a few bytes."""
    start = draw(st.integers(0, len(data)))
    end = min(start + draw(st.integers(0, 4)), len(data))
    again = data[start : start + draw(st.sampled_from([0, 10, 60]))]
    put = draw(st.sampled_from([b"", b"\r\n", b"\n", b"\r", b" ", b":", b"\x00", b"\xff", b"0", b"x", again]))
    return data[:start] + put + data[end:]


@st.composite
def in_pieces(draw: st.DrawFn) -> list[bytes]:
    """What a client sends on one connection: some requests, perhaps with an empty line in between and a few bytes
    changed, cut where a request ends, where a line ends, or anywhere.
    """
    ends, data = [], b""
    for part in draw(st.lists(st.one_of(requests(), requests(), requests(), st.just(b"\r\n")), min_size=1, max_size=5)):
        data += part
        ends.append(len(data))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        data = mutated(draw, data)
    lines = [at for at in range(1, len(data)) if data[at - 1 : at] in b"\r\n"]
    anywhere = st.one_of(st.sampled_from([*lines, 0]), st.integers(0, len(data)))
    chosen = draw(st.lists(st.sampled_from(ends))) + draw(
        st.sampled_from([0, 0, 1, 3]).flatmap(lambda most: st.lists(anywhere, max_size=most))
    )
    cuts = sorted({min(cut, len(data)) for cut in chosen} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(cuts)]


@pytest.mark.hypothesis
def test_channels_agree() -> None:
    """Whatever arrives, in whatever pieces, both channels give the same answers and leave the connection in the same
    state at every time; and of what is generated here, a good share is read in one go and a good share is refused.
    """
    seen: Counter[str] = Counter()

    @given(in_pieces())
    @examples(EXAMPLES)
    def agree(pieces: list[bytes]) -> None:
        met = compare(pieces)
        refused = any(answer.status in {b"400", b"408", b"413", b"431"} for answer in met.answers)
        slow = len(met.answers) > met.quick
        for name, was in (("examples", True), ("quick", met.quick > 0), ("slow", slow), ("refused", refused)):
            seen[name] += was
            if was:
                event(name)
        seen["both"] += met.quick > 0 and slow

    agree()
    assert min(seen["quick"], seen["slow"]) > seen["examples"] / 3
    assert min(seen["refused"], seen["both"]) > seen["examples"] / 10


REQUESTS = {case.name: case.sent for case in HOSTILE} | HONEST


@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS)
def test_channels_agree_on_what_is_known(sent: bytes) -> None:
    """The channels agree on each request of the service's own tests, whole, in pieces, and behind another."""
    whole = sent[: 2 * LIMITS.body]
    compare([whole])
    compare([b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" + whole])
    compare([whole[at : at + 48] for at in range(0, len(whole), 48)])


# What happens to a connection meanwhile.

GET = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /v1/decision HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(QUERY), QUERY)


class Served:
    """A connection in memory to a site of its own.

    Attributes:
        site: The site.
        channel: The service's end of the connection.
        wire: What the channel writes to.
        log: The access log.
    """

    def __init__(
        self, kind: type[DecisionChannel], site: DecisionSite | None = None, limits: ServerLimits = LIMITS
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1e9)
        resource = decision_resource(POLICY_SET, clock=self.clock)
        self.site = site or DecisionSite(resource, self.clock, limits=limits, access_log="-", channel=kind)
        self.log = io.StringIO()
        self.site._logFile, self.site._logDateTime = self.log, "[]"
        self.channel: Any = self.site.buildProtocol(None)
        self.wire = Wire()
        self.channel.makeConnection(self.wire)

    @property
    def statuses(self) -> list[bytes]:
        """Those of the answers until now."""
        return [answer.status for answer in said(self.wire.value())]

    def lose(self) -> None:
        """Lose the connection."""
        self.channel.connectionLost(Failure(ConnectionDone()))


each_channel = pytest.mark.parametrize("kind", [QuickChannel, DecisionChannel])


@each_channel
def test_drained_within_a_body(kind: type[DecisionChannel]) -> None:
    """A request whose body is on its way when the service begins to stop is answered when it is there, and then the
    connection is closed, although it looked idle for long.
    """
    served = Served(kind)
    served.channel.dataReceived(POST[:-10])
    ended = served.site.drain(9.0)
    served.clock.pump([0.5] * 8)
    assert (served.statuses, served.wire.fate) == ([], "open")
    served.channel.dataReceived(POST[-10:] + GET)
    [answer] = said(served.wire.value())
    assert (dict(answer.lines)[b"connection"], served.wire.fate) == (b"close", "closed")
    served.lose()
    assert ended.called
    assert served.clock.getDelayedCalls() == []


@each_channel
@pytest.mark.parametrize("sent", [GET, POST, GET + POST[:-1], POST[:40]], ids=["GET", "POST", "both", "half a head"])
def test_nothing_is_answered_behind_the_end(kind: type[DecisionChannel], sent: bytes) -> None:
    """What arrives when the connection was told to close is not answered, nor put into the access log."""
    served = Served(kind)
    served.channel.dataReceived(GET)
    served.channel.loseConnection()
    served.channel.dataReceived(sent)
    assert served.statuses == [b"200"]
    assert len(served.log.getvalue().splitlines()) == 1
    served.lose()
    assert served.clock.getDelayedCalls() == []


@each_channel
@pytest.mark.parametrize(
    "sent",
    [POST[:-1], POST[:40], GET + POST[:-1], b"\r\n" + POST[:-1], GET[:-1]],
    ids=["body", "head", "body behind another request", "body behind an empty line", "end of a head"],
)
def test_lost_within_a_request(kind: type[DecisionChannel], sent: bytes) -> None:
    """A connection that is lost within a request leaves nothing behind."""
    served = Served(kind)
    served.channel.dataReceived(sent)
    served.lose()
    assert (served.clock.getDelayedCalls(), list(served.site.channels)) == ([], [])


@each_channel
def test_evicted(kind: type[DecisionChannel]) -> None:
    """When there are too many connections, the one goes first over which half a request came longest ago, then one over
    which nothing is on its way, and what is being answered goes last.
    """
    first = Served(kind, limits=structs.replace(LIMITS, connections=3))
    others = [Served(kind, first.site) for _ in range(2)]
    for served in (first, *others):
        served.channel.dataReceived(GET)
    others[0].channel.dataReceived(POST[:-1])
    first.channel.dataReceived(POST[:-1])
    newer = [Served(kind, first.site) for _ in range(2)]
    fates = [served.wire.fate for served in (first, *others, *newer)]
    assert fates == ["aborted", "aborted", "open", "open", "open"]
    assert first.site.closed == {"crowded": 2, "peer": 0, "held": 0, "unread": 0}
    for served in (first, *others, *newer):
        served.lose()


@each_channel
def test_idle_timeout_is_of_the_last_request(kind: type[DecisionChannel]) -> None:
    """A connection over which requests come is not idle, however long it lasts."""
    served = Served(kind)
    for _ in range(10):
        served.channel.dataReceived(GET)
        served.clock.advance(LIMITS.idle_timeout - 1)
    assert (len(served.statuses), served.wire.fate) == (10, "open")
    served.clock.advance(1)
    assert served.wire.fate == "closed"
    served.lose()


def test_body_byte_by_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that comes byte by byte is read in one go when it is complete, and not tried before."""
    tried = []

    def counted(data: bytes, start: int, limits: ServerLimits) -> Any:
        tried.append(len(data))
        return read_plain(data, start, limits)

    monkeypatch.setattr(_quick, "read_plain", counted)
    served = Served(QuickChannel)
    body = b" " * (LIMITS.body - len(QUERY)) + QUERY
    head = b"POST /v1/decision HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    served.channel.dataReceived(head)
    for byte in body:
        assert served.statuses == []
        served.channel.dataReceived(bytes([byte]))
    assert served.statuses == [b"200"]
    assert tried == [len(head), len(head) + len(body)]
    served.lose()


@each_channel
def test_body_that_never_comes(kind: type[DecisionChannel]) -> None:
    """A body that is not complete in time is refused, however steadily it comes, and the log has the request."""
    served = Served(kind)
    served.channel.dataReceived(GET + POST[:-60])
    for byte in POST[-60:-1]:
        served.clock.advance(0.5)
        served.channel.dataReceived(bytes([byte]))
    assert served.statuses == [b"200", b"408"]
    assert served.log.getvalue().splitlines()[1].startswith('"192.168.1.1" - - [] "POST /v1/decision HTTP/1.1" 408 ')
    assert served.wire.fate == "aborted"
    served.lose()
    assert served.clock.getDelayedCalls() == []


PIECES = {
    "a method in two; the second is one": [GET[:1], GET[1:], GET],
    "a body in two": [POST[:-1], POST[-1:], GET],
    "a body in three, and what follows": [GET + POST[:-20], POST[-20:-10], POST[-10:] + POST],
    "a head in two, and a body that looks like a request": [
        b"POST /v1/decision HTTP/1.1\r\nHost: a\r\n",
        b"Content-Length: %d\r\n\r\n" % len(GET),
        GET,
        GET,
    ],
    "chunks that look like requests": [
        b"POST /v1/decision HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GET),
        GET,
        b"\r\n0\r\n\r\n",
        GET,
    ],
    "the last request first": [GET.replace(b"Host", b"Connection: close\r\nHost") + GET, GET],
    "HTTP/1.0 between": [GET + GET.replace(b"1.1", b"1.0") + GET, GET],
    "HEAD between": [GET + GET.replace(b"GET", b"HEAD") + GET],
}


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_requests_in_pieces(pieces: list[bytes]) -> None:
    """Where a request begins is known on both channels, in whatever pieces the one before it came."""
    compare(pieces)


EMPTY_LINES = {
    "each by itself": [b"\r\n", GET, b"\r\n", GET, b"\r\n", GET],
    "before a request": [b"\r\n", GET, b"\r\n" + GET],
    "behind a body": [POST, b"\r\n", POST, b"\r\n", POST, b"\r\n"],
    "in two pieces": [b"\r", b"\n", GET],
    "in two pieces, before a body in two": [b"\r", b"\n", POST[:-1], POST[-1:]],
}


@pytest.mark.parametrize("pieces", EMPTY_LINES.values(), ids=EMPTY_LINES)
def test_empty_lines_between_requests(pieces: list[bytes]) -> None:
    """An empty line before each request changes nothing, in whatever pieces it comes."""
    met = compare(pieces)
    requests_sent = b"".join(pieces).count(b"HTTP/1.1")
    assert [answer.status for answer in met.answers] == [b"200"] * requests_sent


@each_channel
def test_limits_are_those_of_the_site(kind: type[DecisionChannel]) -> None:
    """A site whose limits are larger than Twisted's own reads larger heads than Twisted does."""
    served = Served(kind)
    served.site.limits = ServerLimits(head=40_000, head_lines=1000)
    served.lose()
    served = Served(kind, served.site)
    served.channel.dataReceived(GET.replace(b"\r\n\r\n", b"\r\nX: %b\r\n\r\n" % (b"y" * 30_000)))
    served.channel.dataReceived(GET.replace(b"\r\n\r\n", b"\r\nX: y" * 900 + b"\r\n\r\n"))
    assert served.statuses == [b"200", b"200"]
    served.lose()


class Foreign(Resource):
    """A resource that is not an endpoint."""

    def render_GET(self, request: IRequest) -> bytes:
        """Say hello."""
        return b"Hello."


@each_channel
def test_resource_of_somebody_else(kind: type[DecisionChannel]) -> None:
    """A resource that somebody puts into the tree, and that is of another kind, is served."""
    served = Served(kind)
    served.site.resource.putChild(b"foreign", Foreign())
    served.channel.dataReceived(GET + GET.replace(b"livez", b"foreign") + GET)
    answers = list(said(served.wire.value()))
    assert [answer.status for answer in answers] == [b"200"] * 3
    assert answers[1].body == b"Hello."
    served.lose()
