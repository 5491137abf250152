"""Whatever a Twisted resource answers, and however, has the decided headers and no others of CORS."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer, ISSLTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.resource import EncodingResourceWrapper, IResource, Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory, Request, Site
from twisted.web.util import Redirect
from zope.interface import alsoProvides, implementer

from cors_service.asking.undecided import undecided
from cors_service.client import Decider, DecisionClient, IDecider
from cors_service.decision import Circumstances, Decision, Query
from cors_service.policy import read_document
from cors_service.protect._service_client import ServiceClient
from cors_service.protect.site import ProtectedResource
from cors_service.store import FixedPolicies, LivePolicies, MemoryPolicyStore
from cors_service.testing.client import MemoryClient
from tests.answering import CHANGED, DOCUMENT, Talker, impostor, real
from tests.questions import LIARS, STRANGER, A, B

POLICIES = read_document(DOCUMENT)
ALLOWED = {"access-control-allow-origin": A, "access-control-allow-credentials": "true"}
OWN = [
    (b"Access-Control-Allow-Origin", b"*"),
    (b"access-control-allow-headers", b"*"),
    (b"Vary", b"Cookie"),
    (b"Vary", b"accept, ORIGIN"),
    (b"Set-Cookie", b"a=1"),
    (b"Set-Cookie", b"b=2"),
]


class Answer(NamedTuple):
    """What came over a connection."""

    status: int
    lines: list[tuple[str, str]]
    body: bytes

    @property
    def cors(self) -> dict[str, str]:
        """Its headers of CORS."""
        return {name.lower(): value for name, value in self.lines if name.lower().startswith("access-control-")}

    def values(self, name: str) -> list[str]:
        """The values of the lines of a name."""
        return [value for key, value in self.lines if key.lower() == name]


class Client:
    """A connection to a site of one resource, in memory."""

    def __init__(self, resource: IResource) -> None:
        self.transport = StringTransport(peerAddress=IPv4Address("TCP", "127.0.0.1", 1))
        self.transport.abortConnection = self.transport.loseConnection  # type: ignore[method-assign]
        site = Site(resource, reactor=Clock())
        self._channel = site.buildProtocol(None)
        self._channel.makeConnection(self.transport)

    def send(
        self, method: str, path: str, *lines: tuple[str, str], version: str = "1.0", host: str = "api.example"
    ) -> None:
        """Send a request."""
        head = [
            f"{method} {path} HTTP/{version}",
            *([f"Host: {host}"] if host else []),
            *(f"{n}: {v}" for n, v in lines),
        ]
        self._channel.dataReceived("\r\n".join([*head, "", ""]).encode("latin-1"))

    def leave(self) -> None:
        """Be gone."""
        self._channel.connectionLost(Failure(ConnectionLost()))

    @property
    def answer(self) -> Answer | None:
        """What came until now, if that is the head of an answer."""
        head, end, body = self.transport.value().partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        return Answer(int(first.split()[1]), pairs, body)


def ask(
    resource: IResource, method: str, path: str, origin: str | None, *lines: tuple[str, str], **more: Any
) -> Answer:
    """Ask, and give the answer, which is there at once."""
    client = Client(resource)
    client.send(method, path, *([("Origin", origin)] if origin else []), *lines, **more)
    answer = client.answer
    assert answer is not None
    client.leave()
    return answer


class Page(Resource):
    """Answers as its methods say, with headers of CORS of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Request] = []

    def getChild(self, name: bytes, request: Request) -> Resource:
        """Be what is at `/`."""
        return self if name == b"" else super().getChild(name, request)

    def render_GET(self, request: Request) -> bytes:
        """Answer at once."""
        for name, value in OWN:
            request.responseHeaders.addRawHeader(name, value)
        return b"page"

    def render_OPTIONS(self, request: Request) -> bytes:
        """Answer as an application does that knows nothing of preflights."""
        return b"options"

    def render_POST(self, request: Request) -> int:
        """Answer later."""
        self.waiting.append(request)
        return NOT_DONE_YET

    def render_DELETE(self, request: Request) -> bytes:
        """Fail."""
        raise RuntimeError("on purpose")

    def render_PUT(self, request: Request) -> int:
        """Answer in pieces that come from a producer."""
        Pieces(request)
        return NOT_DONE_YET


@implementer(IPushProducer)
class Pieces:
    """Produces three pieces."""

    def __init__(self, request: Request) -> None:
        request.setHeader("Access-Control-Allow-Origin", "*")
        request.setHeader("Access-Control-Allow-Methods", "*")
        request.registerProducer(self, True)
        for piece in (b"one ", b"two ", b"three"):
            request.write(piece)
        request.unregisterProducer()
        request.finish()

    def pauseProducing(self) -> None:
        """Go on all the same."""

    def resumeProducing(self) -> None:
        """Go on."""

    def stopProducing(self) -> None:
        """Go on."""


@pytest.fixture
def page() -> Page:
    """What is protected."""
    return Page()


@pytest.fixture
def site(page: Page) -> ProtectedResource:
    """Its protection."""
    return ProtectedResource(page, POLICIES, policy="app")


PUT = ("Access-Control-Request-Method", "PUT")
VARY_PREFLIGHT = ["Origin, Access-Control-Request-Method, Access-Control-Request-Headers"]


class TestPreflight:
    """It is answered in the resource's place."""

    def test_allowed(self, site: ProtectedResource) -> None:
        """With the decision's status and headers, without a body, and without saying how long that is."""
        answer = ask(site, "OPTIONS", "/anything", A, PUT)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.cors == {
            **ALLOWED,
            "access-control-allow-methods": "GET, HEAD, PUT",
            "access-control-max-age": "60",
        }
        assert answer.values("vary") == VARY_PREFLIGHT
        assert not {"content-length", "content-type", "transfer-encoding"} & {name.lower() for name, _ in answer.lines}

    @pytest.mark.parametrize("origin", [STRANGER, B, "null"])
    def test_refused(self, site: ProtectedResource, origin: str) -> None:
        """With a 403 that tells nothing."""
        answer = ask(site, "OPTIONS", "/", origin, PUT)
        assert (answer.status, answer.cors, answer.values("vary"), answer.body) == (403, {}, VARY_PREFLIGHT, b"")
        assert answer.values("content-length") == ["0"]

    def test_an_options_that_is_none(self, site: ProtectedResource) -> None:
        """It is the resource's."""
        assert ask(site, "OPTIONS", "/", None, PUT).body == b"options"
        answer = ask(site, "OPTIONS", "/", A)
        assert (answer.body, answer.cors) == (b"options", {})


class TestAnswers:
    """All that the resource answers is decorated."""

    @pytest.mark.parametrize(("origin", "cors"), [(A, ALLOWED), (STRANGER, {}), (None, {})])
    def test_own_headers(self, site: ProtectedResource, origin: str | None, cors: dict[str, str]) -> None:
        """Its own of CORS are gone, its Vary is merged into one line, its other lines are as they were."""
        answer = ask(site, "GET", "/", origin)
        assert (answer.status, answer.body, answer.cors) == (200, b"page", cors)
        assert answer.values("vary") == ["Cookie, accept, ORIGIN"]
        assert answer.values("set-cookie") == ["a=1", "b=2"]

    def test_head(self, site: ProtectedResource) -> None:
        """The same without the body."""
        answer = ask(site, "HEAD", "/", A)
        assert (answer.status, answer.body, answer.cors) == (200, b"", ALLOWED)

    @pytest.mark.filterwarnings("ignore:twisted.web.resource._Unsafe:DeprecationWarning")
    def test_what_is_not_there(self, site: ProtectedResource) -> None:
        """A 404 of Twisted's own is decorated, too, and so is its answer to a method that is not there."""
        for method, path, status in (("GET", "/nothing/here", 404), ("PATCH", "/", 501)):
            answer = ask(site, method, path, A)
            assert (answer.status, answer.cors) == (status, ALLOWED if status == 404 else {})
            assert answer.values("vary") == ["Origin"]

    def test_exceptions(self, page: Page, nothing_left_behind: list[LogEvent]) -> None:
        """The page that Twisted makes of them is decorated; the log has the exception once."""
        policies = read_document({"version": 1, "policies": {"app": {"origins": [A], "methods": ["DELETE"]}}})
        answer = ask(ProtectedResource(page, policies, policy="app"), "DELETE", "/", A)
        assert (answer.status, answer.cors) == (500, {"access-control-allow-origin": A})
        [event] = nothing_left_behind
        assert event["log_failure"].check(RuntimeError)
        nothing_left_behind.clear()

    def test_later(self, page: Page) -> None:
        """An answer that is made when the decision is long forgotten."""
        policies = read_document({"version": 1, "policies": {"app": {"origins": [A]}}})
        client = Client(ProtectedResource(page, policies, policy="app"))
        client.send("POST", "/", ("Origin", A))
        assert client.answer is None
        [request] = page.waiting
        request.setHeader("access-control-allow-origin", "*")
        request.setResponseCode(201)
        request.write(b"a")
        request.finish()
        assert client.answer is not None
        assert (client.answer.status, client.answer.cors) == (201, {"access-control-allow-origin": A})
        client.leave()

    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    def test_in_pieces(self, site: ProtectedResource, version: str) -> None:
        """What a producer writes is as it was."""
        answer = ask(site, "PUT", "/", A, version=version)
        assert (answer.status, answer.cors) == (200, ALLOWED)
        assert answer.body.replace(b"\r\n", b"").endswith(b"three" if version == "1.0" else b"5three0")

    def test_compressed(self, page: Page) -> None:
        """An encoding beneath does its work."""
        page.isLeaf = True
        encoded = EncodingResourceWrapper(page, [GzipEncoderFactory()])
        site = ProtectedResource(encoded, POLICIES, policy="app")
        answer = ask(site, "GET", "/", A, ("Accept-Encoding", "gzip"))
        assert (gzip.decompress(answer.body), answer.cors) == (b"page", ALLOWED)
        assert ask(site, "GET", "/", A).body == b"page"

    def test_children(self, page: Page) -> None:
        """They are found as without protection, under any path, whether they are leaves or not."""
        page.putChild(b"leaf", Redirect(b"elsewhere"))
        page.putChild(b"page", Page())
        root = Resource()
        root.putChild(b"api", ProtectedResource(page, POLICIES, policy="app"))
        root.putChild(b"free", Page())
        assert ask(root, "GET", "/api/leaf", A).status == 302
        assert ask(root, "GET", "/api/page/", A).cors == ALLOWED
        assert ask(root, "GET", "/api/", A).body == b"page"
        assert ask(root, "GET", "/free/", STRANGER).cors["access-control-allow-origin"] == "*"

    def test_a_leaf_sees_the_path_behind_it(self) -> None:
        """As it would without protection."""

        class Leaf(Resource):
            isLeaf = True

            def render_GET(self, request: Request) -> bytes:
                return b" ".join([b"/".join(request.prepath or []), b"/".join(request.postpath or [])])

        root = Resource()
        root.putChild(b"api", ProtectedResource(Leaf(), POLICIES, policy="app"))
        assert ask(root, "GET", "/api/x/y", A).body == b"api x/y"


class TestPolicies:
    """Who decides, and by what."""

    @pytest.mark.parametrize(
        ("path", "host", "expected"),
        [
            ("/app/7", "api.example", ALLOWED),
            ("/app/7?x=/../", "API.example:80", ALLOWED),
            ("/open/7", "api.example", {"access-control-allow-origin": "*"}),
            ("/other", "api.example", {}),
            ("/app/%2e%2e/open/", "api.example", {}),
            ("/7", "api.example/app", {}),
            ("/app/7", "", {}),
            ("http://api.example/app/7", "api.example", {}),
            (".example/app/7", "api", {}),
        ],
    )
    def test_by_url(self, page: Page, path: str, host: str, expected: dict[str, str]) -> None:
        """The policy is found by the URL; where none is found, nothing is granted, and the site serves."""
        page.isLeaf = True
        answer = ask(ProtectedResource(page, POLICIES), "GET", path, A, host=host)
        assert (answer.status, answer.cors) == (200, expected)

    def test_its_own_pages(self, site: ProtectedResource) -> None:
        """A page of the site itself is of no other origin."""
        assert ask(site, "PUT", "/", "http://api.example").cors == {}

    def test_over_tls(self, page: Page) -> None:
        """The scheme is that of the connection."""
        client = MemoryClient(DOCUMENT)
        page.isLeaf = True
        connection = Client(ProtectedResource(page, client))
        alsoProvides(connection.transport, ISSLTransport)
        connection.send("GET", "/app/", ("Origin", A))
        assert [query.url for query in client.asked] == ["https://api.example/app/"]
        connection.leave()

    def test_live_policies(self, page: Page) -> None:
        """A change takes effect with the next request; before any are active, nothing is granted."""
        live = LivePolicies(MemoryPolicyStore({}), Clock())
        site = ProtectedResource(page, live, policy="app")
        assert (ask(site, "GET", "/", A).cors, ask(site, "OPTIONS", "/", A, PUT).status) == ({}, 403)
        live.activate(POLICIES)
        assert ask(site, "GET", "/", A).cors == ALLOWED
        live.activate(read_document(CHANGED))
        assert (ask(site, "GET", "/", A).cors, ask(site, "OPTIONS", "/", B, PUT).status) == ({}, 204)

    def test_a_client(self, page: Page) -> None:
        """It is asked about each request, once; where it is down the site serves, and preflights are refused."""
        client = MemoryClient(DOCUMENT)
        site = ProtectedResource(page, client, policy="app")
        assert ask(site, "GET", "/", A).cors == ALLOWED
        host = Circumstances(hosts=("api.example",))
        assert client.asked == [Query("GET", "app", "http://api.example/", (A,), circumstances=host)]
        client.is_down = True
        answer = ask(site, "GET", "/", A)
        assert (answer.status, answer.body, answer.cors) == (200, b"page", {})
        assert answer.values("vary") == ["Cookie, accept, ORIGIN"]
        assert ask(site, "OPTIONS", "/", A, PUT).status == 403

    def test_a_repeated_origin(self, site: ProtectedResource) -> None:
        """It gets nothing."""
        assert ask(site, "GET", "/", A, ("Origin", A)).cors == {}


@implementer(IDecider)
class Slow:
    """Decides when it is told to."""

    def __init__(self) -> None:
        self.deciding: Deferred[Decision] = Deferred()

    def decide(self, query: Query) -> Deferred[Decision]:
        """Wait."""
        return self.deciding


class TestDeciding:
    """What happens while a decision is on its way."""

    @pytest.mark.parametrize("method", ["GET", "OPTIONS"])
    def test_the_client_leaves(self, page: Page, method: str) -> None:
        """Then nothing is done for it, and nothing is wrong."""
        slow = Slow()
        client = Client(ProtectedResource(page, slow, policy="app"))
        client.send(method, "/", ("Origin", A), PUT)
        client.leave()
        query = Query(method, "app", None, (A,), ("PUT",))
        slow.deciding.callback(undecided(query, ""))
        assert client.transport.value() == b""

    def test_the_decision_fails(self, page: Page, nothing_left_behind: list[LogEvent]) -> None:
        """A decider that breaks its promise costs an error page, without headers of CORS, and nothing hangs."""
        slow = Slow()
        slow.deciding = fail(ConnectionDone())
        answer = ask(ProtectedResource(page, slow, policy="app"), "GET", "/", A)
        assert (answer.status, answer.cors) == (500, {})
        assert [event["log_failure"].type for event in nothing_left_behind] == [ConnectionDone]
        nothing_left_behind.clear()

    def test_the_decision_fails_behind_the_client(self, page: Page, nothing_left_behind: list[LogEvent]) -> None:
        """The log has it."""
        slow = Slow()
        client = Client(ProtectedResource(page, slow, policy="app"))
        client.send("GET", "/", ("Origin", A))
        client.leave()
        slow.deciding.errback(ConnectionDone())
        assert [event["log_failure"].type for event in nothing_left_behind] == [ConnectionDone]
        nothing_left_behind.clear()


@pytest.mark.parametrize("policies", [POLICIES, FixedPolicies(POLICIES)], ids=["set", "holder"])
def test_a_policy_that_a_fixed_set_lacks(policies: Any) -> None:
    """The site does not start, and the error names the policies, the one that was meant first."""
    with pytest.raises(ValueError, match=r"^There is no policy 'opn'\. The policies are: open, app\.$"):
        ProtectedResource(Resource(), policies, policy="opn")


@pytest.mark.parametrize(
    ("policies", "hint"),
    [
        ("http://127.0.0.1:8080", 'write DecisionClient("http://127.0.0.1:8080")'),
        (DOCUMENT, "write read_document(...) for a dictionary"),
        (ServiceClient("http://127.0.0.1:8080"), "ServiceClient is neither"),
    ],
    ids=["address", "document", "client that blocks"],
)
@pytest.mark.parametrize("make", [partial(ProtectedResource, Resource()), Decider])
def test_what_cannot_decide(make: Callable[[Any], Any], policies: Any, hint: str) -> None:
    """The site does not start, and the error says what to write."""
    with pytest.raises(TypeError) as caught:
        make(policies)
    expected = "a policy set, a holder of one such as LivePolicies, or a DecisionClient"
    assert str(caught.value) == f"policies must be {expected}; {hint}"


async def test_a_service_that_is_asked() -> None:
    """A site that asks the service grants what that grants, and nothing once it is gone."""
    import treq
    from twisted.internet import endpoints, reactor

    async with real() as service:
        client = DecisionClient(f"http://127.0.0.1:{service.port}", timeout=20)
        site = Site(ProtectedResource(Page(), client, policy="app"))
        listening = await endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(site)
        url = f"http://127.0.0.1:{listening.getHost().port}/"

        async def cors() -> tuple[int, str | None]:
            response = await treq.get(url, headers=Headers({"Origin": [A]}), persistent=False)
            await treq.content(response)
            return response.code, (response.headers.getRawHeaders("access-control-allow-origin") or [None])[0]

        assert await cors() == (200, A)
        await service.stop()
        assert await cors() == (200, None)
        await listening.stopListening()
        await client.close()


@pytest.mark.parametrize("talk", LIARS.values(), ids=LIARS.keys())
async def test_a_lying_service(talk: Callable[[Talker, bytes], None]) -> None:
    """What answers in the service's place puts nothing on the site's answers."""
    import treq
    from twisted.internet import endpoints, reactor

    async def answered(resource: IResource) -> dict[bytes, list[bytes]]:
        listening = await endpoints.serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(Site(resource))
        url = f"http://127.0.0.1:{listening.getHost().port}/"
        response = await treq.get(url, headers=Headers({"Origin": [A]}), persistent=False)
        await treq.content(response)
        await listening.stopListening()
        return {name: values for name, values in response.headers.getAllRawHeaders() if name != b"Date"}

    async with impostor(talk) as other:
        client = DecisionClient(f"http://127.0.0.1:{other.port}", timeout=20)
        protected = await answered(ProtectedResource(Page(), client, policy="app"))
        await client.close()
    own = await answered(Page())
    unchanged = {name: values for name, values in own.items() if not name.startswith(b"Access-Control-")}
    assert protected == {**unchanged, b"Vary": [b"Cookie, accept, ORIGIN"]}
