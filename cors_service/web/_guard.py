"""Endpoints that only those reach who may: the caller is known by a token or by the certificate of its connection.

A caller that may ask about some policies alone reaches other endpoints than the rest, made for a view of those
policies, so nothing that was remembered for one is ever given to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from posixpath import join
from typing import Any, Final

from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from cors_service.access.callers import Access, Caller, Verb
from cors_service.web._metrics import METRICS
from cors_service.web.access import IAccess
from cors_service.web.answer import Answer
from cors_service.web.callers import known_callers
from cors_service.web.endpoint import Endpoint
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.warnings import Warnings

Endpoints = Mapping[bytes, Endpoint]
"""Each by its path, which is beneath `/v1` unless it begins with a slash; it is what the endpoint is called here."""

_READ: Final = frozenset({b"policies", b"status", METRICS})
# Each remembers answers, so there is an end to how many endpoints there are.
_MOST_SCOPES: Final = 16


class Gate:
    """Lets callers through to the endpoints that they may reach.

    Attributes:
        endpoints: Those of callers that may ask about all policies.
    """

    def __init__(
        self,
        access: IAccess,
        endpoints: Endpoints,
        endpoints_within: Callable[[tuple[str, ...]], Endpoints],
        warnings: Warnings,
    ) -> None:
        """Make a gate.

        Args:
            access: Who may ask for what.
            endpoints: The endpoints of callers that may ask about all policies.
            endpoints_within: Makes the endpoints of callers that may ask about policies with such beginnings of names.
            warnings: Takes what callers do wrong.
        """
        self.endpoints = endpoints
        self._access = access
        self._endpoints_within = endpoints_within
        self._warnings = warnings
        self._within: dict[tuple[str, ...], Endpoints] = {}
        self._made_for: Access = access.active

    def endpoint(self, request: AnyRequest, name: bytes, verb: Verb) -> tuple[Endpoint, Caller]:
        """Find the endpoint of a name for whoever sends a request.

        Raises:
            Problem: The caller is not known, or may not do this.
        """
        access: Access = self._access.active
        if access is not self._made_for:
            self._within, self._made_for = {}, access
        known = list(known_callers(request, access))
        for caller in known:
            if verb in caller.verbs:
                return self._endpoints(caller.policies)[name], caller
        path = join("/v1", name.decode("ascii"))
        if known:
            self._warnings.warn(
                f"{known[0].name} {verb}", f"The caller {known[0].name} asks {path} without the verb {verb}"
            )
            raise Problem(403, "forbidden", f"This caller lacks the verb {verb}.")
        self._warnings.warn(path, f"A caller without a known token or certificate asks {path}")
        detail = "The request has no known token and came with no known certificate."
        raise Problem(401, "unauthorized", detail, {"WWW-Authenticate": "Bearer"})

    def _endpoints(self, prefixes: tuple[str, ...] | None) -> Endpoints:
        if prefixes is None:
            return self.endpoints
        made = self._within.pop(prefixes, None)
        if made is None:
            if len(self._within) >= _MOST_SCOPES:
                del self._within[next(iter(self._within))]
            made = self._endpoints_within(prefixes)
        self._within[prefixes] = made  # behind all others: the first is the one that was not asked for longest
        return made


class Guarded(Endpoint):
    """Stands before the endpoints of a name, and answers with theirs."""

    wants_transport = True

    def __init__(self, ids: Iterator[bytes], gate: Gate, name: bytes, verb: Verb, *, is_leaf: bool) -> None:
        """Make one.

        Args:
            ids: The names of answers.
            gate: Knows the callers.
            name: That of the endpoints.
            verb: What a caller needs.
            is_leaf: Whether the endpoints take all of the path behind their name.
        """
        super().__init__(ids)
        self.isLeaf = is_leaf
        self._gate = gate
        self._name = name
        self._verb = verb

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """What stands beneath the endpoints."""
        child = _GuardedChild(self.ids, self._gate, self._name, self._verb, path)
        child.hosts = self.hosts
        child.tally, child.requests = self.tally, self.requests
        return child

    def find(self, request: AnyRequest) -> Endpoint:
        """The endpoint that answers a request.

        Raises:
            Problem: The caller may not reach it.
        """
        return self._gate.endpoint(request, self._name, self._verb)[0]

    def _malformed(self, request: AnyRequest) -> str | None:
        # Which is found by the endpoint: those of gateways are less strict.
        return None

    def _method_for(self, method: str) -> Callable[[AnyRequest], Answer | Later]:
        return self._answer

    def _answer(self, request: AnyRequest) -> Answer | Later:
        return self.find(request).answer(request)


class _GuardedChild(Guarded):
    """Stands before one policy of those that can be read."""

    def __init__(self, ids: Iterator[bytes], gate: Gate, name: bytes, verb: Verb, path: bytes) -> None:
        super().__init__(ids, gate, name, verb, is_leaf=True)
        self._path = path

    def find(self, request: Any) -> Endpoint:
        endpoint, caller = self._gate.endpoint(request, self._name, self._verb)
        policy = self._path.decode("utf-8", "replace")
        if caller.policies is not None and policy and not policy.startswith(caller.policies):
            raise Problem(403, "forbidden", "This caller may not ask about this policy.")
        child = endpoint.getChild(self._path, request)
        assert isinstance(child, Endpoint)
        return child


def guarded(gate: Gate) -> Endpoints:
    """Put a guard before each endpoint of a gate."""
    return {
        name: Guarded(endpoint.ids, gate, name, "read" if name in _READ else "decide", is_leaf=bool(endpoint.isLeaf))
        for name, endpoint in gate.endpoints.items()
    }
