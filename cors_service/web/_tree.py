"""The resource tree, to be put under any path of a site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.interfaces import IReactorTime

from cors_service.access import Access
from cors_service.decision.reported import Reported
from cors_service.limits import Limits
from cors_service.observe.exposition import Exposition
from cors_service.observe.interfaces import ITally
from cors_service.observe.process import Process
from cors_service.observe.table import Table
from cors_service.observe.tally import Tally
from cors_service.observe.totals import Totals
from cors_service.policy import PolicySet
from cors_service.store import FixedPolicies, IPolicies, IPolicyStore, LivePolicies
from cors_service.web._about import (
    LiveEndpoint,
    OpenAPIEndpoint,
    PoliciesEndpoint,
    ReadyEndpoint,
    StatusEndpoint,
)
from cors_service.web._advice import Advice
from cors_service.web._authzen import (
    EVALUATION,
    EVALUATIONS,
    WELL_KNOWN,
    ConfigurationEndpoint,
    EvaluationEndpoint,
    EvaluationsEndpoint,
)
from cors_service.web._decisions import DecisionEndpoint, DecisionsEndpoint
from cors_service.web._guard import Gate, guarded
from cors_service.web._metrics import METRICS, MetricsEndpoint
from cors_service.web._opa import ApisixEndpoint, DataDecisionEndpoint
from cors_service.web._operators import MetricsTree, OperatorTree
from cors_service.web._paths import Paths
from cors_service.web._proxies import (
    AuthRequestEndpoint,
    EnforceEndpoint,
    ExtAuthzEndpoint,
    ForwardAuthEndpoint,
    PreflightEndpoint,
)
from cors_service.web._scope import PoliciesInScope
from cors_service.web.access import FixedAccess, IAccess
from cors_service.web.endpoint import Endpoint
from cors_service.web.hosts import Hosts
from cors_service.web.ids import PeekedIds, decision_ids
from cors_service.web.turns import Turns
from cors_service.web.warnings import Warnings

_FOR_PROXIES: Final = {
    b"auth-request": AuthRequestEndpoint,
    b"forward-auth": ForwardAuthEndpoint,
    b"ext-authz": ExtAuthzEndpoint,
    b"preflight": PreflightEndpoint,
    b"enforce": EnforceEndpoint,
}

_FOR_OPERATORS: Final = (b"policies", b"status", METRICS)
# Batches that are decided at the same time: what they hold before it is sent is bounded by their number.
_BATCHES: Final = 4


class DecisionTree(Paths):
    """The root of the tree; nothing is at its own path.

    Attributes:
        ids: The names of its answers.
        policies: Holds the policies that it decides by.
        ready: The resource at `/readyz`.
        status: The resource at `/v1/status`.
        metrics: The resource at `/metrics`.
        turns: Where answers are made that take long.
    """

    def __init__(
        self,
        policies: IPolicies,
        limits: Limits,
        clock: IReactorTime,
        access: IAccess | None,
        tally: ITally,
    ) -> None:
        ids = decision_ids()
        super().__init__(ids, tally)
        self.policies = policies
        self.ready = ReadyEndpoint(ids, policies, limits)
        reported = Reported(lambda what: self._log.warn("{what}", what=what))
        self.status = StatusEndpoint(ids, policies, clock, reported, access)
        self.put(b"/livez", LiveEndpoint(ids))
        self.put(b"/readyz", self.ready)
        self.put(b"/openapi.json", OpenAPIEndpoint(ids))
        configuration = ConfigurationEndpoint(ids)
        self.put(WELL_KNOWN, configuration)
        warnings = Warnings(clock)
        self.turns = turns = Turns(clock)
        # Before the answer is complete, others are, and get their names.
        turns.when_stepped = tally.sights.leave
        self.metrics = MetricsEndpoint(ids, turns)
        peeked = PeekedIds(ids)
        # Bounds of the process, whatever number of scopes its callers have.
        advice = Advice(clock)
        seats = DeferredSemaphore(_BATCHES)

        def endpoints_for(policies: IPolicies, scope: str = "") -> dict[bytes, Endpoint]:
            made = {
                b"decision": DecisionEndpoint(ids, policies, limits, warnings, turns, advice),
                b"decisions": DecisionsEndpoint(ids, policies, limits, warnings, turns, seats),
                b"policies": PoliciesEndpoint(ids, policies, limits, turns, scope),
                b"status": self.status,
                METRICS: self.metrics,
                EVALUATION: EvaluationEndpoint(ids, policies, limits, warnings, turns, advice),
                EVALUATIONS: EvaluationsEndpoint(ids, policies, limits, warnings, turns, advice, seats),
                b"data/cors/decision": DataDecisionEndpoint(peeked, policies, limits, warnings, turns, advice),
                b"data/cors/apisix": ApisixEndpoint(peeked, policies, limits, warnings, reported, turns),
                **{
                    name: endpoint(ids, policies, limits, warnings, reported) for name, endpoint in _FOR_PROXIES.items()
                },
            }
            return {path: self.counted(path, endpoint) for path, endpoint in made.items()}

        endpoints: Mapping[bytes, Endpoint] = endpoints_for(policies)
        if access is not None:

            def endpoints_within(prefixes: tuple[str, ...]) -> Mapping[bytes, Endpoint]:
                return endpoints_for(PoliciesInScope(policies, prefixes), "\n".join(prefixes))

            endpoints = guarded(Gate(access, endpoints, endpoints_within, warnings))
        for path, endpoint in endpoints.items():
            self.put(path, endpoint)
        # What gateways ask carries the Host of their applications.
        self._asked_by_name = {name: endpoint for name, endpoint in endpoints.items() if name not in _FOR_PROXIES}
        self._asked_by_name[WELL_KNOWN] = configuration

    def restrict_to(self, hosts: Hosts | None) -> None:
        """Answer requests by these names alone; None for any.

        This is not about what gateways ask, since that carries the Host of their applications, nor about whether the
        service runs.
        """
        for endpoint in self._asked_by_name.values():
            endpoint.hosts = hosts

    def split_off_operators(self) -> OperatorTree:
        """Move what operators read into a tree of its own; here, nothing of it is there any more."""
        paths = [path for path in _FOR_OPERATORS if path in self._asked_by_name]
        return OperatorTree(self.ids, self.ready, self._moved(paths), self.tally)

    def split_off_metrics(self) -> MetricsTree:
        """Move the metrics into a tree of their own."""
        return MetricsTree(self.ids, self.ready, self._moved([METRICS]), self.tally)

    def _moved(self, paths: Sequence[bytes]) -> dict[bytes, Endpoint]:
        moved = {path: self._asked_by_name.pop(path) for path in paths}
        for path in moved:
            self.drop(path)
        return moved


def decision_resource(
    policies: PolicySet | IPolicies | IPolicyStore,
    *,
    limits: Limits | None = None,
    clock: IReactorTime | None = None,
    access: Access | IAccess | None = None,
    tally: ITally | None = None,
) -> DecisionTree:
    """Make the resource tree of the decision service.

    Args:
        policies: A policy set, which never changes; a store, which is loaded and watched from now on; or a provider of
            `IPolicies`.
        limits: The lifetime of decisions and the sizes of requests.
        clock: The reactor by default.
        access: Who may ask for what; everybody by default.
        tally: Counts what is decided and answered; by default, `/metrics` of the tree tells what is counted.

    Returns:
        A resource for any path of a Twisted site, beside any other resources. Time limits, sizes of headers, draining
        and whatever else is a server's business is left to that site.
    """
    if clock is None:
        from twisted.internet import reactor

        clock = cast(IReactorTime, reactor)
    if isinstance(policies, PolicySet):
        holder: IPolicies = FixedPolicies(policies)
    elif IPolicyStore.providedBy(policies):
        live = LivePolicies(policies, clock)
        live.startService()
        holder = live
    else:
        holder = policies
    callers = FixedAccess(access) if isinstance(access, Access) else access
    if tally is not None:
        return DecisionTree(holder, limits or Limits(), clock, callers, tally)
    table, totals = Table(), Totals(clock.seconds())
    totals.open(table)
    tree = DecisionTree(holder, limits or Limits(), clock, callers, Tally(table))
    tree.metrics.measure = Exposition(totals, clock.seconds, lambda: [Process.of(holder.status)]).steps
    return tree
