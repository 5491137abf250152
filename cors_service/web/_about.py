"""The endpoints that report which policies are active and how the service is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import structs
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

import cors_service
from cors_service.decision.reported import Reported
from cors_service.grammar.mistakes import plural, shown
from cors_service.grammar.nearest import nearest
from cors_service.limits import Limits
from cors_service.reader.messages import WorkerStatus
from cors_service.store import IPolicies, Status
from cors_service.store.shadow import ShadowedPolicies, shadow_as_dict
from cors_service.web._documents import Document, Documents
from cors_service.web.access import IAccess
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.endpoint import RETRY_SECONDS, Endpoint, EndpointWithPolicies
from cors_service.web.later import Later, Steps
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.tags import is_held, tag_headers, tagged_unless_held
from cors_service.web.turns import Turns
from cors_service.web.workers import iso, write_store, write_worker
from cors_service.wire.json_text import write_json
from cors_service.wire.queries import query_as_dict

_OPENAPI: Final = files("cors_service.web").joinpath("openapi.json").read_bytes()


class PoliciesEndpoint(EndpointWithPolicies):
    """`/v1/policies`: what is active, as a document."""

    def __init__(
        self, ids: Iterator[bytes], policies: IPolicies, limits: Limits, turns: Turns, scope: str = ""
    ) -> None:
        super().__init__(ids, policies, limits)
        self._turns = turns
        self._scope = scope
        self._documents = Documents(turns)

    def answer_GET(self, request: AnyRequest) -> Answer | Later:
        """Give all policies."""
        return self.give(request, None)

    def give(self, request: AnyRequest, name: str | None) -> Answer | Later:
        """Give the document of one policy, or of all.

        Raises:
            Problem: There is no such policy.
        """
        active = self._active()
        if name is not None and name not in active.policy_set.policies:
            near = nearest(name, active.policy_set.policies)
            hint = f" The nearest is '{near}'." if near else ""
            raise Problem(404, "unknown-policy", f"There is no policy {shown(name)}.{hint}")
        headers = tag_headers([cors_service.__version__, active.revision, self._scope, name or ""], "no-cache")
        if is_held(request, headers):
            return Answer(304, JSON, b"", headers)
        short = self._documents.short(active, name)
        if short is not None:
            return Answer(200, JSON, short, headers)
        if request.method == b"HEAD":
            return Answer(200, JSON, b"", headers, is_measured=False)
        return Later(self._turns, _document(self._documents.of(active, name), headers))

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """One policy by its name."""
        if not path or request.postpath:
            return self.nothing()
        child = PolicyEndpoint(self.ids, self, path.decode("utf-8", "replace"))
        child.hosts = self.hosts
        child.tally, child.requests = self.tally, self.requests
        return child


class PolicyEndpoint(Endpoint):
    """`/v1/policies/NAME`: one policy and the origin sets that it uses, as a document."""

    def __init__(self, ids: Iterator[bytes], policies: PoliciesEndpoint, name: str) -> None:
        super().__init__(ids)
        self._policies = policies
        self._name = name

    def answer_GET(self, request: AnyRequest) -> Answer | Later:
        """Give the policy."""
        return self._policies.give(request, self._name)


def _document(document: Document, headers: dict[str, str]) -> Steps:
    yield from document.ready()
    return Answer(200, JSON, b"", headers, pieces=document)


class StatusEndpoint(Endpoint):
    """`/v1/status`: which policies are active, since when, and what is wrong with newer ones.

    Attributes:
        worker: The number of this process where several serve; None elsewhere.
        workers: Gives the status of each of them.
        connections: Gives what there is to say of the connections of this process; None where that is not known.
        log: Gives what there is to say of the decision log, as JSON; None for nothing.
    """

    def __init__(
        self,
        ids: Iterator[bytes],
        policies: IPolicies,
        clock: IReactorTime,
        reported: Reported,
        access: IAccess | None = None,
    ) -> None:
        super().__init__(ids)
        self._access = access
        self._reported = reported
        self.worker: int | None = None
        self.workers: Callable[[], list[WorkerStatus]] = list
        self.connections: Callable[[], dict[str, object]] | None = None
        self.log: Callable[[], bytes | None] = lambda: None
        self._policies = policies
        self._clock = clock

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give the status."""
        status: Status = self._policies.status
        fields = structs.asdict(status) | {
            "loaded_at": iso(status.loaded_at),
            "last_attempt": iso(status.last_attempt),
            "age": None if status.loaded_at is None else round(self._clock.seconds() - status.loaded_at),
            "store": write_store(status.store),
            "version": cors_service.__version__,
        }
        if self.connections is not None:
            fields["connections"] = self.connections()
        if (log := self.log()) is not None:
            fields["log"] = msgspec.Raw(log)
        if isinstance(self._policies, ShadowedPolicies):
            fields["shadow"] = shadow_as_dict(self._policies, query_as_dict)
        if self.worker is not None:
            fields |= {"worker": self.worker, "workers": [*map(write_worker, self.workers())]}
        fields |= self._reported.as_dict()
        if self._access is not None:
            fields["access"] = self._access.as_dict()
        return Answer(200, JSON, write_json(fields), {"Cache-Control": NO_STORE})


class LiveEndpoint(Endpoint):
    """`/livez`: the process runs."""

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Answer at all."""
        return Answer(200, JSON, b'{"status":"alive"}', {"Cache-Control": NO_STORE})


class ReadyEndpoint(EndpointWithPolicies):
    """`/readyz`: policies are active, new enough where that matters, and the service is not about to stop.

    Attributes:
        max_stale: Seconds for which a store need not have confirmed that the policies are its newest; None for any.
        draining: Set by the server when it stops, so that load balancers turn elsewhere.
    """

    max_stale: float | None = None
    draining = False

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Answer with 200, or with 503."""
        if self._policies.active is None:
            raise Problem(503, "no-policies", self._why(), {"Retry-After": str(RETRY_SECONDS)})
        if self.max_stale is not None:
            self._check_age(self.max_stale)
        if self.draining:
            raise Problem(503, "draining", "The service is about to stop.")
        return Answer(200, JSON, b'{"status":"ready"}', {"Cache-Control": NO_STORE})

    def _check_age(self, most: float) -> None:
        store = self._policies.status.store
        age = None if store is None else store.confirmed_age_seconds
        if store is None or (age is not None and age <= most):
            return
        since = "never yet" if age is None else f"{age:.0f} seconds ago"
        detail = f"The store confirmed {since} that these policies are its newest; --max-stale is {most:g}."
        raise Problem(503, "stale-policies", detail, {"Retry-After": str(RETRY_SECONDS)})

    def _why(self) -> str:
        # Whoever asks may be anybody, so it names codes, and nothing of the documents.
        mistakes = self._policies.status.mistakes
        codes = sorted({str(mistake["code"]) for mistake in mistakes})
        found = f": {len(mistakes)} {plural(len(mistakes), 'mistake')} ({', '.join(codes)})" if codes else ""
        return f"No policies are active yet{found}; the log of the service says why."


class OpenAPIEndpoint(Endpoint):
    """`/openapi.json`: the description of the API."""

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give it."""
        return tagged_unless_held(request, _OPENAPI, "max-age=3600")
