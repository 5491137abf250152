"""Each provider of an interface keeps what the interface promises: names, attributes, arguments."""

from __future__ import annotations

import importlib
import inspect
import io
import os
import pkgutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import IService, IServiceMaker, ServiceMaker
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IPushProducer,
    IReadDescriptor,
    IStreamClientEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor
from twisted.logger import ILogObserver
from twisted.plugin import IPlugin, getPlugins
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request
from twisted.web.test.requesthelper import DummyChannel
from zope.interface import Interface, implementedBy
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyClass, verifyObject

import cors_service
from cors_service.access import Access
from cors_service.access.callers import VERBS
from cors_service.access.tokens import token_entry
from cors_service.asking.address import Address
from cors_service.asking.lookup import Lookup
from cors_service.bundle import BundleSource
from cors_service.client import ClientTLS, Decider, DecisionClient, IDecider
from cors_service.client._endpoints import ServiceEndpoint, _HostEndpoint
from cors_service.daemon.access import LiveAccess
from cors_service.daemon.hangup import ReloadOnHangup
from cors_service.daemon.json_log import JSONLines
from cors_service.daemon.notify import Notifier
from cors_service.etcd import EtcdSource, EtcdStore
from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.memory import MemorySource
from cors_service.ledger.source import IStoreSource
from cors_service.observe.interfaces import IRequests, ITally
from cors_service.observe.table import Table
from cors_service.observe.tally import NoRequests, NoTally, Requests, Tally
from cors_service.policy import read_document
from cors_service.postgresql import PostgreSQLSource, PostgreSQLStore
from cors_service.protect.site import ProtectedResource
from cors_service.server import DecisionServer, DecisionSite
from cors_service.server.https import Credentials, Files, HTTPSServerEndpoint, IReloadingEndpoint
from cors_service.store import (
    FilePolicyStore,
    FixedPolicies,
    IPolicies,
    IPolicyStore,
    LivePolicies,
    MemoryPolicyStore,
    ReaderPolicyStore,
)
from cors_service.store.shadow import ShadowedPolicies
from cors_service.testing.client import MemoryClient
from cors_service.web import decision_resource
from cors_service.web._scope import PoliciesInScope
from cors_service.web.access import FixedAccess, IAccess
from cors_service.web.answer import Answer
from cors_service.web.later import Later, Reply, Steps
from cors_service.web.turns import Turns
from cors_service.workers.channel import Channel
from cors_service.workers.loads import Loads
from cors_service.workers.log import WorkerLog
from cors_service.workers.sockets import Acceptor
from cors_service.workers.store import WorkerPolicyStore
from cors_service.workers.worker import Worker
from tests.certificates import Authority, written

POLICIES = read_document({"version": 1, "policies": {"open": {"origins": ["*"]}}})


def live() -> LivePolicies:
    """Make a holder of policies."""
    return LivePolicies(MemoryPolicyStore({}), Clock())


def site() -> DecisionSite:
    """Make a site."""
    return DecisionSite(decision_resource(POLICIES, clock=Clock()), Clock())


def acceptor() -> Acceptor:
    """Make what accepts connections at a socket, which is closed."""
    with socket.socket() as closed:
        return Acceptor(MemoryReactor(), closed, Factory(), bool)


CHANNEL = Channel(-1, -1)


def worker() -> Worker:
    """Make what makes a process one of several."""
    loads = Loads(descriptor := Loads.make(1), 1)
    os.close(descriptor)
    policies = live()
    return Worker(
        Clock(),
        1,
        1,
        channel=CHANNEL,
        store=WorkerPolicyStore("policies.toml", CHANNEL),
        loads=loads,
        policies=policies,
        reload=policies.reload,
        site=site(),
        acceptors=list,
    )


def files() -> Files:
    """Make the files of an endpoint, which are gone once they are read."""
    directory = tempfile.TemporaryDirectory()
    key, certificate = written(Path(directory.name), Authority("the authority").sign("service"))
    return _Gone(key, certificate, directory)


class _Gone(Files):
    def __init__(self, key: Path, certificate: Path, directory: tempfile.TemporaryDirectory[str]) -> None:
        super().__init__(key, certificate, None)
        self._directory = directory

    def read(self) -> Any:
        with self._directory:
            return super().read()


def live_access() -> LiveAccess:
    """Make a holder of who may ask, out of a file that is gone."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "auth.toml")
        path.write_text(token_entry("ci", "secret", VERBS))
        return LiveAccess(path, Clock())


def reply() -> Reply:
    """Make an answer that takes long, and whose client is gone."""

    def steps() -> Steps:
        yield None
        return Answer(200, "", b"", {})

    channel: Any = DummyChannel()
    made = Reply(Request(channel, False), Later(Turns(Clock()), steps()), ignore, lambda _: Answer(500, "", b"", {}))
    made.stopProducing()
    return made


def ignore(_: object) -> None:
    """Do nothing."""


# The interfaces that a class declares itself, and one of its objects. A new provider belongs here.
PROVIDERS: dict[type, tuple[InterfaceClass, Callable[[], Any]]] = {
    BundleSource: (IStoreSource, lambda: BundleSource("https://example.com/policies.json", is_unsigned=True)),
    ClientTLS: (IPolicyForHTTPS, ClientTLS),
    Decider: (IDecider, lambda: Decider(POLICIES)),
    DecisionClient: (IDecider, lambda: DecisionClient("http://127.0.0.1:8080", reactor=Clock())),
    DirectoryStore: (IChangeStore, lambda: DirectoryStore(Path("policies"))),
    EtcdSource: (IStoreSource, lambda: EtcdSource("etcd://127.0.0.1/cors")),
    EtcdStore: (IChangeStore, lambda: EtcdStore("etcd://127.0.0.1/cors")),
    FilePolicyStore: (IPolicyStore, lambda: FilePolicyStore(Path("policies.toml"), Clock())),
    ShadowedPolicies: (IPolicies, lambda: ShadowedPolicies(live(), live())),
    FixedPolicies: (IPolicies, lambda: FixedPolicies(POLICIES)),
    Acceptor: (IListeningPort, acceptor),
    Worker: (IReadDescriptor, worker),
    WorkerLog: (ILogObserver, lambda: WorkerLog(CHANNEL)),
    WorkerPolicyStore: (IPolicyStore, lambda: WorkerPolicyStore("policies.toml", CHANNEL)),
    JSONLines: (ILogObserver, lambda: JSONLines(io.StringIO())),
    LivePolicies: (IPolicies, live),
    MemoryClient: (IDecider, lambda: MemoryClient({"version": 1, "policies": {"open": {"origins": ["*"]}}})),
    MemoryPolicyStore: (IPolicyStore, lambda: MemoryPolicyStore({})),
    MemorySource: (IStoreSource, MemorySource),
    PostgreSQLSource: (IStoreSource, lambda: PostgreSQLSource("postgresql://localhost/cors")),
    PostgreSQLStore: (IChangeStore, lambda: PostgreSQLStore("postgresql://localhost/cors")),
    ReaderPolicyStore: (IPolicyStore, lambda: ReaderPolicyStore(Path("policies.toml"), Clock())),
    Credentials: (IOpenSSLServerConnectionCreator, lambda: Credentials(files())),
    HTTPSServerEndpoint: (IReloadingEndpoint, lambda: HTTPSServerEndpoint(MemoryReactor(), 0, files())),
    FixedAccess: (IAccess, lambda: FixedAccess(Access())),
    LiveAccess: (IAccess, live_access),
    Tally: (ITally, lambda: Tally(Table())),
    NoTally: (ITally, NoTally),
    Requests: (IRequests, lambda: Requests(Tally(Table()), "/livez")),
    NoRequests: (IRequests, NoRequests),
    Reply: (IPushProducer, reply),
    PoliciesInScope: (IPolicies, lambda: PoliciesInScope(live(), ("open",))),
    ServiceEndpoint: (IAgentEndpointFactory, lambda: ServiceEndpoint(Address("localhost"), ClientTLS(), 1, Clock())),
    _HostEndpoint: (IStreamClientEndpoint, lambda: _HostEndpoint(Lookup("localhost", 80), 1, Clock())),
}
# What others make of it: the interfaces of Twisted that a class has from its base.
INHERITED: dict[type, tuple[InterfaceClass, Callable[[], Any]]] = {
    DecisionServer: (IService, lambda: DecisionServer(site(), [], drain_timeout=0)),
    LivePolicies: (IService, live),
    ProtectedResource: (IResource, lambda: ProtectedResource(Resource(), POLICIES)),
    Notifier: (IService, Notifier),
    ReloadOnHangup: (IService, lambda: ReloadOnHangup(live().reload, Clock(), Notifier())),
    type(decision_resource(POLICIES, clock=Clock())): (
        IResource,
        lambda: decision_resource(POLICIES, clock=Clock()),
    ),
}
CASES = [
    pytest.param(provider, interface, make, id=f"{provider.__name__}-{interface.__name__}")
    for providers in (PROVIDERS, INHERITED)
    for provider, (interface, make) in providers.items()
]


def everything() -> list[Any]:
    """Give everything that the modules of the package define."""
    names = [module.name for module in pkgutil.walk_packages(cors_service.__path__, "cors_service.")]
    modules = [importlib.import_module(name) for name in names]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if getattr(value, "__module__", None) == module.__name__
    ]


def test_every_provider_is_listed() -> None:
    """Each class of the package that declares an interface is among those that are tested here."""
    declared = {
        (value, interface)
        for value in everything()
        if inspect.isclass(value)
        for interface in implementedBy(value).declared
    }
    assert {(provider, interface) for provider, (interface, _) in PROVIDERS.items()} == declared


def test_every_interface_has_a_provider() -> None:
    """Each interface of the package has a provider; those that others may provide have one in memory or null."""
    interfaces = {value for value in everything() if isinstance(value, InterfaceClass) and value is not Interface}
    assert {
        IAccess,
        IChangeStore,
        IDecider,
        IPolicies,
        IPolicyStore,
        IReloadingEndpoint,
        IRequests,
        IStoreSource,
        ITally,
    } == interfaces
    assert interfaces <= {interface for interface, _ in PROVIDERS.values()}


@pytest.mark.parametrize(("provider", "interface", "make"), CASES)
def test_class(provider: type, interface: InterfaceClass, make: Callable[[], Any]) -> None:
    """The class has the methods of the interface, with arguments that fit."""
    assert verifyClass(interface, provider)


@pytest.mark.parametrize(("provider", "interface", "make"), CASES)
def test_object(provider: type, interface: InterfaceClass, make: Callable[[], Any]) -> None:
    """An object of the class has the attributes of the interface as well."""
    made = make()
    assert isinstance(made, provider)
    assert verifyObject(interface, made)


def test_endpoint_plugin() -> None:
    """The parser of https: is what whatever takes endpoints takes for one, and is there once."""
    [parser] = [parser for parser in getPlugins(IStreamServerEndpointStringParser) if parser.prefix == "https"]
    assert verifyObject(IStreamServerEndpointStringParser, parser)
    assert verifyObject(IPlugin, parser)


@pytest.mark.parametrize(("name", "module"), [("cors", "cors_service.tap"), ("cors-admin", "cors_service.tap_admin")])
def test_plugin(name: str, module: str) -> None:
    """Each plugin that twist and twistd list is what they take for one, and is there once."""
    [maker] = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == name]
    assert verifyObject(IServiceMaker, maker)
    assert verifyObject(IPlugin, maker)
    assert isinstance(maker, ServiceMaker)
    assert maker.module == module
