"""The endpoints that tell what is active and how the service is."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from msgspec import structs
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

import cors_service
from cors_service.grammar.mistakes import shown
from cors_service.policy import write_document
from cors_service.store import IPolicies, Status
from cors_service.web._decisions import Deciding, validated
from cors_service.web.endpoint import JSON, NO_STORE, Answer, Asked, DecisionIds, Endpoint, NotFound, Problem
from cors_service.web.limits import Limits
from cors_service.web.workers import Crew, iso
from cors_service.wire import write_json

_OPENAPI: Final = files("cors_service.web").joinpath("openapi.json").read_bytes()


class PoliciesEndpoint(Deciding):
    """`/v1/policies`: what is active, as a document."""

    def answer_GET(self, request: Asked) -> Answer:
        """Give all policies."""
        document = write_document(self._active().policy_set)
        return validated(request, write_json(document), "no-cache")

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """One policy by its name."""
        if not path or request.postpath:
            return NotFound(self._ids)
        return PolicyEndpoint(self._ids, self._policies, self._limits, path.decode("utf-8", "replace"))


class PolicyEndpoint(Deciding):
    """`/v1/policies/NAME`: one policy and the origin sets that it uses, as a document."""

    def __init__(self, ids: DecisionIds, policies: IPolicies, limits: Limits, name: str) -> None:
        super().__init__(ids, policies, limits)
        self._name = name

    def answer_GET(self, request: Asked) -> Answer:
        """Give the policy."""
        policy_set = self._active().policy_set
        if self._name not in policy_set.policies:
            raise Problem(404, "unknown-policy", f"There is no policy {shown(self._name)}.")
        return validated(request, write_json(write_document(policy_set, [self._name])), "no-cache")


class StatusEndpoint(Endpoint):
    """`/v1/status`: which policies are active since when, and what is wrong with those that are not.

    Attributes:
        crew: Set where several processes serve.
    """

    def __init__(self, ids: DecisionIds, policies: IPolicies, clock: IReactorTime) -> None:
        super().__init__(ids)
        self.crew: Crew | None = None
        self._policies = policies
        self._clock = clock

    def answer_GET(self, request: Asked) -> Answer:
        """Give the status."""
        status: Status = self._policies.status
        told = structs.asdict(status) | {
            "loaded_at": iso(status.loaded_at),
            "last_attempt": iso(status.last_attempt),
            "age": None if status.loaded_at is None else round(self._clock.seconds() - status.loaded_at),
            "version": cors_service.__version__,
        }
        if self.crew is not None:
            told |= {"worker": self.crew.number, "workers": [worker.as_dict() for worker in self.crew.workers()]}
        return Answer(200, JSON, write_json(told), {"Cache-Control": NO_STORE})


class LiveEndpoint(Endpoint):
    """`/livez`: the process runs."""

    def answer_GET(self, request: Asked) -> Answer:
        """Say so."""
        return Answer(200, JSON, b'{"status":"alive"}', {"Cache-Control": NO_STORE})


class ReadyEndpoint(Deciding):
    """`/readyz`: policies are active, and the service is not about to stop.

    Attributes:
        draining: Set by the server when it stops, so that load balancers go elsewhere.
    """

    draining = False

    def answer_GET(self, request: Asked) -> Answer:
        """Say so, or 503."""
        self._active()
        if self.draining:
            raise Problem(503, "draining", "The service is about to stop.")
        return Answer(200, JSON, b'{"status":"ready"}', {"Cache-Control": NO_STORE})


class OpenAPIEndpoint(Endpoint):
    """`/openapi.json`: the description of the API."""

    def answer_GET(self, request: Asked) -> Answer:
        """Give it."""
        return validated(request, _OPENAPI, "max-age=3600")
