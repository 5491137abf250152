"""The service: policies that are kept active, a site, and a server; or the supervisor of several such processes."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, gatherResults

from cors_service.daemon.access import LiveAccess
from cors_service.daemon.json_log import log_as_json
from cors_service.daemon.names import Names
from cors_service.daemon.notify import Notifier
from cors_service.daemon.settings import Settings
from cors_service.daemon.start import Endpoint, Prepared, make_shadow_store, make_snapshot, path_of
from cors_service.policy.change import Change
from cors_service.processes import nameless_file
from cors_service.reader.snapshot import Snapshot
from cors_service.server import DecisionServer, DecisionSite
from cors_service.server.channel import DecisionChannel
from cors_service.server.https import IReloadingEndpoint
from cors_service.server.quick import QuickChannel
from cors_service.store import IPolicyStore, LivePolicies
from cors_service.store.shadow import ShadowedPolicies, ShadowLive
from cors_service.web import DecisionTree, OperatorTree, decision_resource


def make_service(prepared: Prepared, reactor: Any) -> IService:
    """Make the service of a process that was started by an operator.

    Args:
        prepared: What `prepare` gave.
        reactor: The reactor.

    Returns:
        A service that decides and listens, or one that supervises workers; it reloads the policies on SIGHUP.
    """
    settings, store, initial, endpoints, for_operators, access, json_log, snapshot = prepared
    if json_log is not None:
        log_as_json(json_log, reactor)
    notifier = Notifier.of(os.environ)
    if initial is None:
        return supervise(settings, [*endpoints, *for_operators], reactor, notifier, snapshot)
    return DecisionService(
        settings, store, initial, endpoints, reactor, for_operators=for_operators, access=access, notifier=notifier
    )


class DecisionService(MultiService):
    """Keeps policies active, listens, and reloads on SIGHUP, in this process.

    Attributes:
        policies: The active policies.
        shadow: Those that decide beside them; None without any.
        tree: The resource tree that decides by them.
        site: The site around the tree.
        sites: This one, and the one for operators if they have their own.
        server: Listens for the site.
        servers: This one, and the one for operators if they have their own.
    """

    def __init__(
        self,
        settings: Settings,
        store: IPolicyStore,
        initial: Change,
        endpoints: list[Endpoint],
        reactor: Any,
        *,
        for_operators: Sequence[Endpoint] = (),
        access: LiveAccess | None = None,
        site_class: type[DecisionSite] = DecisionSite,
        notifier: Notifier | None = None,
        warns: bool = True,
    ) -> None:
        """Make a service.

        Args:
            settings: The settings.
            store: Where policies come from.
            initial: The change from nothing to the policies to start with.
            endpoints: Where to listen, each endpoint with its description.
            reactor: The reactor.
            for_operators: Where to listen for operators alone; if empty, they ask where all do.
            access: Who may ask; None for everybody.
            site_class: The class of the site.
            notifier: Tells the service manager what the service does; None for nobody to tell.
            warns: Whether to warn if callers can ask by any name.
        """
        super().__init__()
        self._reactor = reactor
        self._endpoints = [*endpoints, *for_operators]
        self._settings = settings
        self._site_class = site_class
        self._access = access
        self._notifier = Notifier() if notifier is None else notifier
        # Stores of documents keep it themselves.
        snapshot = make_snapshot(settings) if settings.store is not None else None
        self.policies = LivePolicies(store, reactor, snapshot=snapshot)
        self.policies.activate(initial)
        self.shadow = None if settings.shadow is None else ShadowLive(make_shadow_store(settings, reactor), reactor)
        holder = self.policies if self.shadow is None else ShadowedPolicies(self.policies, self.shadow)
        self.tree = decision_resource(holder, limits=settings.limits, clock=reactor, access=access)
        self.site = self._make_site(self.tree)
        self.sites = [self.site]
        self.server = DecisionServer(self.site, endpoints, drain_timeout=settings.drain_timeout)
        self.servers = [self.server]
        trees: list[DecisionTree | OperatorTree] = [self.tree]
        if for_operators:
            operators = self.tree.split_off_operators()
            trees.append(operators)
            self.sites.append(self._make_site(operators))
            self.servers.append(DecisionServer(self.sites[-1], for_operators, drain_timeout=settings.drain_timeout))
        self.tree.status.connections = self._connections
        self.policies.setServiceParent(self)
        if self.shadow is not None:
            self.shadow.setServiceParent(self)
        if access is not None:
            access.setServiceParent(self)
        for tree, server in zip(trees, self.servers, strict=True):
            server.setServiceParent(self)
            Names(tree, server, settings.host, warns=warns).setServiceParent(self)
        ReloadOnHangup(self.reload, reactor, self._notifier).setServiceParent(self)
        self._notifier.setServiceParent(self)

    def _make_site(self, tree: DecisionTree | OperatorTree) -> DecisionSite:
        return self._site_class(
            tree,
            self._reactor,
            limits=self._settings.server_limits,
            access_log=self._settings.access_log,
            channel=DecisionChannel if self._settings.line_by_line else QuickChannel,
        )

    def _connections(self) -> dict[str, object]:
        """What there is to say of the connections of this process."""
        closed = {why: sum(site.closed[why] for site in self.sites) for why in self.site.closed}
        return {
            "open": sum(len(site.channels) for site in self.sites),
            "held": sum(site.held for site in self.sites),
            "closed": closed,
        }

    def startService(self) -> None:
        """Start; the garbage collector then ignores what exists, which stays and takes long to look through."""
        super().startService()
        self._reactor.callWhenRunning(_freeze)
        self._reactor.callWhenRunning(self._notifier.ready)

    def reload(self) -> Deferred[None]:
        """Read again what an operator may have changed: policies, who may ask, certificates.

        Returns:
            A Deferred that fires when that is done, well or badly: what was bad is in the log and the status.
        """
        for _, endpoint in self._endpoints:
            if IReloadingEndpoint.providedBy(endpoint):
                endpoint.reload()
        reloads = [self.policies.reload()]
        if self.shadow is not None:
            reloads.append(self.shadow.reload())
        if self._access is not None:
            reloads.append(self._access.reload())
        return gatherResults(reloads).addCallback(lambda _: None)


def supervise(
    settings: Settings, endpoints: list[Endpoint], reactor: Any, notifier: Notifier, snapshot: Snapshot | None
) -> IService:
    """Make the service of the process that looks after workers.

    Args:
        settings: The settings, for the workers, too.
        endpoints: Where to listen, each endpoint with its description.
        reactor: The reactor.
        notifier: Tells the service manager what the service does; it is ready when the first worker serves.
        snapshot: Keeps each good set of policies.
    """
    # Imported late: one process has none.
    from cors_service.workers.supervisor import Supervisor

    services = MultiService()
    supervisor = Supervisor(
        reactor,
        settings.workers,
        endpoints,
        ["-m", "cors_service.daemon.worker", settings.to_json()],
        policies=path_of(settings),
        snapshot=snapshot,
        limits=settings.reader_limits,
        drain_timeout=settings.drain_timeout,
        when_serving=notifier.ready,
        kept_file=None if settings.auth is None else nameless_file("cors-service-access"),
    )
    supervisor.setServiceParent(services)
    ReloadOnHangup(supervisor.reload, reactor, notifier).setServiceParent(services)
    notifier.setServiceParent(services)
    return services


class ReloadOnHangup(Service):
    """Reloads policies on SIGHUP, as daemons do."""

    def __init__(self, reload: Callable[[], Deferred[None]], reactor: Any, notifier: Notifier) -> None:
        """Make a service.

        Args:
            reload: Is called in the reactor's thread after each SIGHUP; the Deferred fires when that is done.
            reactor: The reactor.
            notifier: Is told when a reload begins and ends.
        """
        self._reload_policies = reload
        self._reactor = reactor
        self._notifier = notifier
        self._before: Any = None

    def startService(self) -> None:
        """Install a signal handler as soon as the reactor runs, which installs handlers of its own."""
        super().startService()
        if hasattr(signal, "SIGHUP"):
            self._reactor.callWhenRunning(self._install)

    def stopService(self) -> None:
        """Restore the handler that was there before."""
        super().stopService()
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None

    def _install(self) -> None:
        self._before = signal.signal(signal.SIGHUP, self._hangup)

    def _hangup(self, *_: object) -> None:
        # A signal can come between any two instructions: the reactor reloads in its own time.
        self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        self._notifier.reloading()
        self._reload_policies().addCallback(lambda _: self._notifier.reloaded())


def _freeze() -> None:
    gc.collect()
    gc.freeze()
