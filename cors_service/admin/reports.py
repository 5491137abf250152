"""What replicas report, and what is known of them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Protocol

import msgspec
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred, succeed

from cors_service.access.callers import Caller
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import AdminEndpoint
from cors_service.admin.replicas import Replica
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.body import json_body
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.wire.json_text import write_json

MOST_LINES: Final = 20_000
LARGEST_REPORT: Final = 16 * 1024 * 1024
"""Bytes of a report."""


class Report(Struct, frozen=True, kw_only=True):
    """What a replica sends at every change of its revision, and now and then.

    Attributes:
        version: Of this form.
        replica: What it says of itself.
        batch: The name of these lines: what comes again has the same.
        lines: Lines of its decision log, as they are there.
    """

    version: Literal[1]
    replica: Replica
    batch: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    lines: Annotated[list[msgspec.Raw], Meta(max_length=MOST_LINES)] = []


class Lines(Protocol):
    """Keeps the lines of decision logs."""

    def keep(self, instance: str, batch: str, lines: list[msgspec.Raw]) -> Deferred[Any]:
        """Keep lines, unless these were kept before.

        Args:
            instance: The name of the replica that sends them.
            batch: Their name, which no other lines of that replica have.
            lines: Each is JSON.

        Returns:
            A Deferred that fires when they are kept. It fails with a `Problem` if they can't be.
        """


class NoLines:
    """Keeps nothing."""

    def keep(self, instance: str, batch: str, lines: list[msgspec.Raw]) -> Deferred[Any]:
        """Forget the lines."""
        return succeed(None)


class ReportsEndpoint(AdminEndpoint):
    """`/admin/v1/reports`: takes what replicas report.

    Attributes:
        lines: Keeps the lines that come with it.
    """

    verbs: ClassVar = {"POST": ("report",)}
    lines: Lines = NoLines()
    is_audited = False

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Take a report."""
        body = json_body(request, LARGEST_REPORT, None)
        try:
            report = _decode(body)
        except (ValueError, RecursionError) as error:
            raise Problem(400, "report-malformed", f"The report can't be read: {error}.") from None
        self.desk.replicas.take(report.replica)

        async def keep() -> Answer:
            if report.batch is not None:
                await self.lines.keep(report.replica.instance, report.batch, report.lines)
            return Answer(204, "", b"", {"Cache-Control": NO_STORE}, is_measured=False)

        return self.later(keep)


class FleetEndpoint(AdminEndpoint):
    """`/admin/v1/fleet`: which replicas there are, and what each has."""

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Answer:
        """Give the newest change, and all replicas."""
        fields = {**fleet(self.desk), "replicas": self.desk.replicas.as_list()}
        return Answer(200, JSON, write_json(fields), {"Cache-Control": NO_STORE})


def fleet(desk: Desk) -> dict[str, object]:
    """Say how many replicas have the newest change, and which of those that are alive have not."""
    head = desk.changes.kept.head
    return {
        "seq": head.seq,
        "revision": head.revision,
        "confirmed": desk.replicas.confirmed,
        "waiting": desk.replicas.waiting,
    }


_decode: Final = msgspec.json.Decoder(Report).decode
