"""The resource tree of the admin process."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from msgspec import structs
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

import cors_service
from cors_service.access.callers import Caller
from cors_service.admin.approving import ProposalsEndpoint
from cors_service.admin.bulk import ChangesEndpoint, RollbackEndpoint
from cors_service.admin.definitions import SEGMENTS, DefinitionsEndpoint
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import AdminEndpoint
from cors_service.admin.explaining import ExplainEndpoint
from cors_service.admin.history import LedgerEndpoint
from cors_service.admin.reports import FleetEndpoint, ReportsEndpoint, fleet
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.endpoint import Endpoint, NotFound
from cors_service.web.hosts import Hosts
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.tags import tagged_unless_held
from cors_service.web.workers import iso
from cors_service.wire.json_text import write_json

_OPENAPI: Final = files("cors_service.admin").joinpath("openapi.json").read_bytes()


class AdminTree(NotFound):
    """The root of the tree; nothing is at its own path.

    Attributes:
        desk: What the resources have in common.
        ready: The resource at `/readyz`.
        reports: The resource at `/admin/v1/reports`.
        nowhere: Answers where nothing else is.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.ids)
        self.desk = desk
        self.nowhere: Resource = self.nothing()
        self.ready = ReadyEndpoint(desk)
        self.putChild(b"livez", LiveEndpoint(desk.ids))
        self.putChild(b"readyz", self.ready)
        self.putChild(b"openapi.json", OpenAPIEndpoint(desk.ids))
        self._api = NotFound(desk.ids)
        admin = NotFound(desk.ids)
        admin.putChild(b"v1", self._api)
        self.putChild(b"admin", admin)
        self.reports = ReportsEndpoint(desk)
        for kind, segment in SEGMENTS.items():
            self.mount(segment, DefinitionsEndpoint(desk, kind))
        self.mount(b"changes", ChangesEndpoint(desk))
        self.mount(b"rollback", RollbackEndpoint(desk))
        self.mount(b"ledger", LedgerEndpoint(desk))
        self.mount(b"proposals", ProposalsEndpoint(desk))
        self.mount(b"status", StatusEndpoint(desk))
        self.mount(b"fleet", FleetEndpoint(desk))
        self.mount(b"reports", self.reports)
        self.mount(b"explain", ExplainEndpoint(desk))

    def mount(self, name: bytes, resource: Resource) -> None:
        """Put a resource beneath `/admin/v1`.

        Args:
            name: Its segment of the path.
            resource: An `AdminEndpoint`, which knows who may ask.
        """
        self._api.putChild(name, resource)

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """Nothing else is there."""
        return self.nowhere

    def restrict_to(self, hosts: Hosts | None) -> None:
        """Answer requests by these names alone; None for any."""
        self.desk.hosts = hosts


class StatusEndpoint(AdminEndpoint):
    """`/admin/v1/status`: what the process knows of its store, and of itself."""

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Answer:
        """Give the status."""
        changes = self.desk.changes
        kept = changes.kept
        mistakes = [] if kept.mistakes is None else [mistake.as_dict() for mistake in kept.mistakes.mistakes]
        fields: dict[str, object] = {
            "version": cors_service.__version__,
            "store": changes.store.name,
            "head": structs.asdict(kept.head),
            "policies": len(kept.policy_set.policies),
            "read_at": iso(changes.read_at),
            "problem": changes.problem,
            "mistakes": mistakes,
            "stale": bool(mistakes) or changes.problem is not None,
            "fleet": fleet(self.desk),
            "proposals": len(self.desk.proposals),
        }
        if self.desk.access is not None:
            fields["access"] = self.desk.access.as_dict()
        return Answer(200, JSON, write_json(fields), {"Cache-Control": NO_STORE})


class LiveEndpoint(Endpoint):
    """`/livez`: the process runs."""

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Answer at all."""
        return Answer(200, JSON, b'{"status":"alive"}', {"Cache-Control": NO_STORE})


class ReadyEndpoint(Endpoint):
    """`/readyz`: the store can be read, and the process is not about to stop.

    Attributes:
        draining: Set by the server when it stops.
    """

    draining = False

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.ids)
        self._desk = desk

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Answer with 200, or with 503."""
        if self._desk.changes.problem is not None:
            raise Problem(503, "store-unavailable", "The store can't be read; the log says why.")
        if self.draining:
            raise Problem(503, "draining", "The process is about to stop.")
        return Answer(200, JSON, b'{"status":"ready"}', {"Cache-Control": NO_STORE})


class OpenAPIEndpoint(Endpoint):
    """`/openapi.json`: the description of this API."""

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give it."""
        return tagged_unless_held(request, _OPENAPI, "max-age=3600")
