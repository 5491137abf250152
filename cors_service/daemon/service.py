"""The service: policies that are kept active, a site, and a server; or the supervisor of several such processes."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import IService
from twisted.internet.defer import Deferred, gatherResults

from cors_service.daemon.access import LiveAccess
from cors_service.daemon.certificates import Certificates
from cors_service.daemon.decision_log import LoggedService, make_log, make_replica, make_tally
from cors_service.daemon.hangup import ReloadOnHangup
from cors_service.daemon.json_log import log_as_json
from cors_service.daemon.names import Names
from cors_service.daemon.notify import Notifier
from cors_service.daemon.settings import Settings
from cors_service.daemon.start import Endpoint, Endpoints, Prepared, make_shadow_store, make_snapshot, source_of
from cors_service.observe.exposition import Exposition
from cors_service.observe.interfaces import ITally
from cors_service.observe.process import Process
from cors_service.observe.sights import Sights, read_sights
from cors_service.observe.table import Table
from cors_service.observe.tally import RELOAD_DURATIONS, RELOADS, SHADOW, NoTally
from cors_service.observe.totals import Totals
from cors_service.policy.change import Change
from cors_service.processes import nameless_file
from cors_service.reader.messages import Following
from cors_service.reader.snapshot import Snapshot
from cors_service.server import DecisionServer, DecisionSite
from cors_service.server.channel import DecisionChannel
from cors_service.server.quick import QuickChannel
from cors_service.store import IPolicyStore, LivePolicies, ReaderPolicyStore
from cors_service.store.shadow import ShadowedPolicies, ShadowLive
from cors_service.web import DecisionTree, OperatorTree, decision_resource
from cors_service.workers.store import WorkerPolicyStore

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_UNCOUNTED: Final = NoTally()


def make_service(prepared: Prepared, reactor: Any) -> IService:
    """Make the service of a process that was started by an operator.

    Args:
        prepared: What `prepare` gave.
        reactor: The reactor.

    Returns:
        A service that decides and listens, or one that supervises workers; it reloads the policies on SIGHUP.
    """
    settings, store, initial, endpoints, access, json_log, snapshot = prepared
    if json_log is not None:
        log_as_json(json_log, reactor)
    notifier = Notifier.of(os.environ)
    counts = settings.has_decision_log or not settings.no_metrics
    totals = Totals(reactor.seconds()) if counts else None
    if initial is None:
        every_endpoint = [*chain.from_iterable(endpoints.values())]
        return supervise(settings, every_endpoint, reactor, notifier, snapshot, totals)
    if totals is None:
        return DecisionService(settings, store, initial, endpoints, reactor, access=access, notifier=notifier)
    table, sights = Table(), Sights(reactor.seconds)
    totals.open(table)
    tally = make_tally(settings, table, sights)
    service = DecisionService(
        settings, store, initial, endpoints, reactor, access=access, notifier=notifier, tally=tally
    )

    service.make_log = partial(
        make_log,
        settings,
        totals,
        lambda: make_replica(settings, [service.process()], service.following),
        reactor,
        sights=sights.take,
    )
    service.tree.status.log = service.log_told
    if not settings.no_metrics:
        exposition = Exposition(totals, reactor.seconds, lambda: [service.process()])
        exposition.further += [service.log_families, service.store_families]
        service.tree.metrics.measure = exposition.steps
    return service


class DecisionService(LoggedService):
    """Keeps policies active, listens, and reloads on SIGHUP, in this process.

    Attributes:
        policies: The active policies.
        shadow: Those that decide beside them; None without any.
        tally: Counts what is decided and answered.
        tree: The resource tree that decides by them.
        site: The site around the tree.
        sites: This one, and those for operators and for metrics if they have their own.
        server: Listens for the site.
        servers: This one, and those for operators and for metrics if they have their own.
    """

    def __init__(
        self,
        settings: Settings,
        store: IPolicyStore,
        initial: Change,
        endpoints: Endpoints,
        reactor: Any,
        *,
        access: LiveAccess | None = None,
        notifier: Notifier | None = None,
        warns: bool = True,
        tally: ITally = _UNCOUNTED,
    ) -> None:
        """Make a service.

        Args:
            settings: The settings.
            store: Where policies come from.
            initial: The change from nothing to the policies to start with.
            endpoints: Where to listen, by the options that say so; an option without any is served where it is by
                default.
            reactor: The reactor.
            access: Who may ask; None for everybody.
            notifier: Tells the service manager what the service does; None for nobody to tell.
            warns: Whether to warn if callers can ask by any name, and of certificates that expire.
            tally: Counts what is decided and answered.
        """
        super().__init__()
        self._reactor = reactor
        self._certificates = Certificates(chain.from_iterable(endpoints.values()), reactor, warns=warns)
        self._settings = settings
        self._access = access
        self._notifier = Notifier() if notifier is None else notifier
        # Stores of documents keep it themselves.
        snapshot = make_snapshot(settings) if settings.store is not None else None
        self._view = store.view if isinstance(store, ReaderPolicyStore | WorkerPolicyStore) else None
        self.policies = LivePolicies(store, reactor, snapshot=snapshot, view=self._view)
        self.policies.activate(initial)
        self.shadow = None if settings.shadow is None else ShadowLive(make_shadow_store(settings, reactor), reactor)
        self.tally = tally
        holder = self.policies if self.shadow is None else ShadowedPolicies(self.policies, self.shadow)
        self._count_changes(holder)
        self.tree = decision_resource(holder, limits=settings.limits, clock=reactor, access=access, tally=self.tally)
        self.site = self._make_site(self.tree)
        self.server = DecisionServer(self.site, endpoints["listen"], drain_timeout=settings.drain_timeout)
        self.sites, self.servers = [self.site], [self.server]
        trees: list[DecisionTree | OperatorTree] = [self.tree]
        for option, split_off in (
            ("metrics-listen", self.tree.split_off_metrics),
            ("operator-listen", self.tree.split_off_operators),
        ):
            if endpoints[option]:
                trees.append(split_off())
                site = self._make_site(trees[-1])
                self.sites.append(site)
                self.servers.append(DecisionServer(site, endpoints[option], drain_timeout=settings.drain_timeout))
        self.tree.status.connections = self._connections
        self.tree.ready.max_stale = settings.max_stale
        self.policies.setServiceParent(self)
        if self.shadow is not None:
            self.shadow.setServiceParent(self)
        if access is not None:
            access.setServiceParent(self)
        for tree, server in zip(trees, self.servers, strict=True):
            server.setServiceParent(self)
            Names(tree, server, settings.host, warns=warns).setServiceParent(self)
        self._certificates.setServiceParent(self)
        ReloadOnHangup(self.reload, reactor, self._notifier).setServiceParent(self)
        self._notifier.setServiceParent(self)

    def _count_changes(self, holder: LivePolicies | ShadowedPolicies) -> None:
        tally = self.tally

        def loaded(result: str, seconds: float) -> None:
            tally.add(RELOADS, result)
            tally.duration(RELOAD_DURATIONS, seconds)

        self.policies.when_loaded = loaded
        if isinstance(holder, ShadowedPolicies):
            holder.when_different = lambda policy, direction: tally.add(SHADOW, tally.policy(policy), direction)

    def _make_site(self, tree: DecisionTree | OperatorTree) -> DecisionSite:
        return DecisionSite(
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

    def process(self) -> Process:
        """How this process is, as metrics tell it."""
        return Process.of(self.policies.status, connections=sum(len(site.channels) for site in self.sites))

    @property
    def following(self) -> Following | None:
        """What the reader of a store said of it last; None of documents."""
        return None if self._view is None else self._view.told

    def store_families(self) -> Iterable[Metric]:
        """The metrics of a store."""
        return families_of(self.following, [self.process()], self._reactor.seconds())

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
        self._certificates.reload()
        self.reopen_log()
        reloads = [self.policies.reload()]
        if self.shadow is not None:
            reloads.append(self.shadow.reload())
        if self._access is not None:
            reloads.append(self._access.reload())
        return gatherResults(reloads).addCallback(lambda _: None)


def supervise(
    settings: Settings,
    endpoints: list[Endpoint],
    reactor: Any,
    notifier: Notifier,
    snapshot: Snapshot | None,
    totals: Totals | None,
) -> IService:
    """Make the service of the process that looks after workers.

    Args:
        settings: The settings, for the workers, too.
        endpoints: Where to listen, each endpoint with its description.
        reactor: The reactor.
        notifier: Tells the service manager what the service does; it is ready when the first worker serves.
        snapshot: Keeps each good set of policies.
        totals: Sums up what the workers count; None if they count nothing.
    """
    # Imported late: one process has none.
    from cors_service.workers.supervisor import Supervisor
    from cors_service.workers.worker import TELLS_SECONDS

    services = LoggedService()

    def sighted(data: bytes) -> None:
        if services.log is not None:
            services.log.note(read_sights(data))

    def reload() -> Deferred[None]:
        services.reopen_log()
        return supervisor.reload()

    def store_families() -> Iterable[Metric]:
        return families_of(supervisor.following, supervisor.processes(), reactor.seconds())

    supervisor = Supervisor(
        reactor,
        settings.workers,
        endpoints,
        ["-m", "cors_service.daemon.worker", settings.to_json()],
        policies=source_of(settings),
        snapshot=snapshot,
        limits=settings.reader_limits,
        drain_timeout=settings.drain_timeout,
        when_serving=notifier.ready,
        kept_file=None if settings.auth is None else nameless_file("cors-service-access"),
        totals=totals,
        when_sighted=sighted,
        log=services.log_told,
    )
    if totals is not None:
        services.make_log = partial(
            make_log,
            settings,
            totals,
            lambda: make_replica(settings, supervisor.processes(), supervisor.following),
            reactor,
            when_rolled=supervisor.tell_all_soon,
            patience=2 * TELLS_SECONDS,
        )
    if supervisor.exposition is not None:
        supervisor.exposition.further += [services.log_families, store_families]
    supervisor.setServiceParent(services)
    ReloadOnHangup(reload, reactor, notifier).setServiceParent(services)
    notifier.setServiceParent(services)
    return services


def families_of(following: Following | None, processes: Sequence[Process], now: float) -> Iterable[Metric]:
    """The metrics of a store, where one is followed."""
    # Imported late: a service that nobody measures starts in less time, and with less memory.
    from cors_service.observe.store_metrics import store_families

    return () if following is None else store_families(following, processes, now)


def _freeze() -> None:
    gc.collect()
    gc.freeze()
