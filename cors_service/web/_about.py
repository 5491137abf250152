"""The endpoints that report which policies are active and how the service is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Final

from msgspec import structs
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

import cors_service
from cors_service.grammar.mistakes import shown
from cors_service.policy import write_document
from cors_service.reader.messages import WorkerStatus
from cors_service.store import IPolicies, Status
from cors_service.web._tags import tagged_unless_held
from cors_service.web.access import IAccess
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.endpoint import Endpoint, EndpointWithPolicies, NotFound
from cors_service.web.limits import Limits
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.workers import iso, write_worker
from cors_service.wire import write_json

_OPENAPI: Final = files("cors_service.web").joinpath("openapi.json").read_bytes()


class PoliciesEndpoint(EndpointWithPolicies):
    """`/v1/policies`: what is active, as a document."""

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give all policies."""
        document = write_document(self._active().policy_set)
        return tagged_unless_held(request, write_json(document), "no-cache")

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """One policy by its name."""
        if not path or request.postpath:
            return NotFound(self._ids)
        child = PolicyEndpoint(self._ids, self._policies, self._limits, path.decode("utf-8", "replace"))
        child.hosts = self.hosts
        return child


class PolicyEndpoint(EndpointWithPolicies):
    """`/v1/policies/NAME`: one policy and the origin sets that it uses, as a document."""

    def __init__(self, ids: Iterator[bytes], policies: IPolicies, limits: Limits, name: str) -> None:
        super().__init__(ids, policies, limits)
        self._name = name

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give the policy."""
        policy_set = self._active().policy_set
        if self._name not in policy_set.policies:
            raise Problem(404, "unknown-policy", f"There is no policy {shown(self._name)}.")
        return tagged_unless_held(request, write_json(write_document(policy_set, [self._name])), "no-cache")


class StatusEndpoint(Endpoint):
    """`/v1/status`: which policies are active, since when, and what is wrong with newer ones.

    Attributes:
        worker: The number of this process where several serve; None elsewhere.
        workers: Gives the status of each of them.
    """

    def __init__(
        self, ids: Iterator[bytes], policies: IPolicies, clock: IReactorTime, access: IAccess | None = None
    ) -> None:
        super().__init__(ids)
        self._access = access
        self.worker: int | None = None
        self.workers: Callable[[], list[WorkerStatus]] = list
        self._policies = policies
        self._clock = clock

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give the status."""
        status: Status = self._policies.status
        fields = structs.asdict(status) | {
            "loaded_at": iso(status.loaded_at),
            "last_attempt": iso(status.last_attempt),
            "age": None if status.loaded_at is None else round(self._clock.seconds() - status.loaded_at),
            "version": cors_service.__version__,
        }
        if self.worker is not None:
            fields |= {"worker": self.worker, "workers": [*map(write_worker, self.workers())]}
        if self._access is not None:
            fields["access"] = self._access.as_dict()
        return Answer(200, JSON, write_json(fields), {"Cache-Control": NO_STORE})


class LiveEndpoint(Endpoint):
    """`/livez`: the process runs."""

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Answer at all."""
        return Answer(200, JSON, b'{"status":"alive"}', {"Cache-Control": NO_STORE})


class ReadyEndpoint(EndpointWithPolicies):
    """`/readyz`: policies are active, and the service is not about to stop.

    Attributes:
        draining: Set by the server when it stops, so that load balancers turn elsewhere.
    """

    draining = False

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Answer with 200, or with 503."""
        self._active()
        if self.draining:
            raise Problem(503, "draining", "The service is about to stop.")
        return Answer(200, JSON, b'{"status":"ready"}', {"Cache-Control": NO_STORE})


class OpenAPIEndpoint(Endpoint):
    """`/openapi.json`: the description of the API."""

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give it."""
        return tagged_unless_held(request, _OPENAPI, "max-age=3600")
