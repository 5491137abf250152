"""The resource tree, to be put under any path of a site."""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import join
from typing import Final, cast

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource

from cors_service.access import Access
from cors_service.decision.reported import Reported
from cors_service.limits import Limits
from cors_service.policy import PolicySet
from cors_service.store import FixedPolicies, IPolicies, IPolicyStore, LivePolicies
from cors_service.web._about import (
    LiveEndpoint,
    OpenAPIEndpoint,
    PoliciesEndpoint,
    ReadyEndpoint,
    StatusEndpoint,
)
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
from cors_service.web._opa import ApisixEndpoint, DataDecisionEndpoint
from cors_service.web._operators import OperatorTree
from cors_service.web._proxies import (
    AuthRequestEndpoint,
    EnforceEndpoint,
    ExtAuthzEndpoint,
    ForwardAuthEndpoint,
    PreflightEndpoint,
)
from cors_service.web._scope import PoliciesInScope
from cors_service.web.access import FixedAccess, IAccess
from cors_service.web.endpoint import Endpoint, NotFound
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


_FOR_OPERATORS: Final = (b"policies", b"status")


class DecisionTree(NotFound):
    """The root of the tree; nothing is at its own path.

    Attributes:
        ids: The names of its answers.
        policies: Holds the policies that it decides by.
        ready: The resource at `/readyz`.
        status: The resource at `/v1/status`.
        turns: Where answers are made that take long.
    """

    def __init__(self, policies: IPolicies, limits: Limits, clock: IReactorTime, access: IAccess | None = None) -> None:
        ids = decision_ids()
        super().__init__(ids)
        self.policies = policies
        self.ready = ReadyEndpoint(ids, policies, limits)
        reported = Reported(lambda what: self._log.warn("{what}", what=what))
        self.status = StatusEndpoint(ids, policies, clock, reported, access)
        self.putChild(b"livez", LiveEndpoint(ids))
        self.putChild(b"readyz", self.ready)
        self.putChild(b"openapi.json", OpenAPIEndpoint(ids))
        configuration = ConfigurationEndpoint(ids)
        self._put(WELL_KNOWN, configuration)
        warnings = Warnings(clock)
        self.turns = turns = Turns(clock)
        peeked = PeekedIds(ids)

        def endpoints_for(policies: IPolicies, scope: str = "") -> dict[bytes, Endpoint]:
            return {
                b"decision": DecisionEndpoint(ids, policies, limits, turns),
                b"decisions": DecisionsEndpoint(ids, policies, limits, turns),
                b"policies": PoliciesEndpoint(ids, policies, limits, turns, scope),
                b"status": self.status,
                EVALUATION: EvaluationEndpoint(ids, policies, limits, turns),
                EVALUATIONS: EvaluationsEndpoint(ids, policies, limits, turns),
                b"data/cors/decision": DataDecisionEndpoint(peeked, policies, limits, turns),
                b"data/cors/apisix": ApisixEndpoint(peeked, policies, limits, warnings, reported, turns),
                **{
                    name: endpoint(ids, policies, limits, warnings, reported) for name, endpoint in _FOR_PROXIES.items()
                },
            }

        endpoints: Mapping[bytes, Endpoint] = endpoints_for(policies)
        if access is not None:

            def endpoints_within(prefixes: tuple[str, ...]) -> Mapping[bytes, Endpoint]:
                return endpoints_for(PoliciesInScope(policies, prefixes), "\n".join(prefixes))

            endpoints = guarded(Gate(access, endpoints, endpoints_within, warnings))
        for path, endpoint in endpoints.items():
            self._put(path, endpoint)
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
        """Move what operators read into a tree of its own; here, nothing is there any more."""
        moved = {name: self._asked_by_name.pop(name) for name in _FOR_OPERATORS}
        for name in moved:
            del self.children[b"v1"].children[name]
        return OperatorTree(self.ids, self.ready, moved)

    def _put(self, path: bytes, endpoint: Endpoint) -> None:
        """Put an endpoint at a path, which is beneath `/v1` unless it begins with a slash."""
        *way, name = join(b"/v1", path)[1:].split(b"/")
        resource: Resource = self
        for segment in way:
            if segment not in resource.children:
                resource.putChild(segment, NotFound(self.ids))
            resource = resource.children[segment]
        resource.putChild(name, endpoint)


def decision_resource(
    policies: PolicySet | IPolicies | IPolicyStore,
    *,
    limits: Limits | None = None,
    clock: IReactorTime | None = None,
    access: Access | IAccess | None = None,
) -> DecisionTree:
    """Make the resource tree of the decision service.

    Args:
        policies: A policy set, which never changes; a store, which is loaded and watched from now on; or a provider of
            `IPolicies`.
        limits: The lifetime of decisions and the sizes of requests.
        clock: The reactor by default.
        access: Who may ask for what; everybody by default.

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
    return DecisionTree(holder, limits or Limits(), clock, callers)
