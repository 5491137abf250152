"""What an operator can set, with every default, and as JSON for another process."""

from __future__ import annotations

import json
from typing import Final, Self

from msgspec import Struct, convert, to_builtins

from cors_service.follow.store import CONFIRM_SECONDS
from cors_service.limits import Limits, ServerLimits
from cors_service.observe.words import INTERVAL_SECONDS, MOST_LINES, Form
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits

DEFAULT_LISTEN: Final = "tcp:8080:interface=127.0.0.1"

_LIMITS: Final = Limits()
_SERVER_LIMITS: Final = ServerLimits()


class Settings(Struct, frozen=True, kw_only=True):
    """What an operator can set. Each field has the name of its option.

    Attributes:
        policies: The path of a policy document, or of a directory of documents, or the URL of a store; None if
            `store` names one of somebody's own.
        store: `MODULE:NAME` of a store that is used instead; None for none.
        listen: The descriptions of the endpoints.
        operator_listen: Those of the endpoints for the policies and the status; none if they are with the others.
        metrics_listen: Those of the endpoints for the metrics; none if they are with the status.
        host: The names by which the service is asked, beside loopback names.
        auth: The path of the document that says who may ask; None for everybody.
        decision_ttl: Seconds for which callers may use a decision again; 0 for never.
        max_body: Bytes of a request's body.
        max_head: Bytes of a request's first line and headers.
        max_head_lines: Headers of a request.
        max_connections: Open at the same time, in each process.
        max_peer_connections: The same for each address of another machine; 0 for no such limit.
        max_held: Bytes that are kept for all connections, in each process.
        request_timeout: Seconds from the first byte of a request to its last.
        send_timeout: Seconds after which a connection is closed if the client does not read its answers.
        idle_timeout: Seconds after which a silent connection is closed.
        drain_timeout: Seconds that requests in flight have to end when the service stops.
        workers: Processes that serve.
        shadow: The path of policies that decide beside the others and never answer; None for none.
        snapshot: The path of the file that keeps the last good policies; None for none.
        max_snapshot_age: Seconds after which a start does without the snapshot; None for never.
        confirm_interval: Seconds between two questions to a store whether what is served is its newest.
        max_stale: Seconds after the last such answer from which on the service is not ready; None for never.
        accept_rollback: Whether the start takes what a store holds even if it is older than what was served before.
        policies_key: The paths of the keys that sign a bundle.
        policies_key_threshold: How many of them must have signed it.
        unsigned: Whether a bundle may go without a signature.
        reader_memory: MiB that reading the policies may take up.
        reader_timeout: Seconds that may pass without a sign that reading goes on.
        follow_links: Whether links in the directory of the policies may lead out of it.
        access_log: The path of the file for a line on each request, `-` for the log, None for none.
        json_log: The path of the file for the log as JSON, `-` for standard output, None for none.
        decision_log: The path of the decision log, `-` for standard output, None for none.
        log_interval: Seconds that a line of it is about.
        log_lines: How many kinds of decisions have a line in that time.
        log_origins: How it writes origins: `full`, `site` or `hashed`.
        log_sample: The share of decisions that are lines of their own in it.
        report_to: The URL that takes its lines; None for none.
        report_token: The path of the file with the token that is shown there; None for none.
        report_spool: The path of the file where lines wait to be sent.
        report_spool_size: MiB of lines that wait there.
        instance: The name of the service among its like; None for that of the host.
        line_by_line: Whether to read all requests as Twisted does.
        no_metrics: Whether to count nothing.
    """

    policies: str | None = None
    store: str | None = None
    listen: tuple[str, ...] = (DEFAULT_LISTEN,)
    operator_listen: tuple[str, ...] = ()
    metrics_listen: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    auth: str | None = None
    decision_ttl: int = _LIMITS.ttl
    max_body: int = _LIMITS.body
    max_head: int = _SERVER_LIMITS.head
    max_head_lines: int = _SERVER_LIMITS.head_lines
    max_connections: int = _SERVER_LIMITS.connections
    max_peer_connections: int = _SERVER_LIMITS.peer_connections
    max_held: int = _SERVER_LIMITS.held
    request_timeout: float = _SERVER_LIMITS.request_timeout
    send_timeout: float = _SERVER_LIMITS.send_timeout
    idle_timeout: float = _SERVER_LIMITS.idle_timeout
    drain_timeout: float = 10.0
    workers: int = 1
    shadow: str | None = None
    snapshot: str | None = None
    max_snapshot_age: float | None = None
    confirm_interval: float = CONFIRM_SECONDS
    max_stale: float | None = None
    accept_rollback: bool = False
    policies_key: tuple[str, ...] = ()
    policies_key_threshold: int = 1
    unsigned: bool = False
    reader_memory: int = DEFAULT_LIMITS.memory
    reader_timeout: float = DEFAULT_LIMITS.timeout
    follow_links: bool = False
    access_log: str | None = None
    json_log: str | None = None
    decision_log: str | None = None
    log_interval: float = INTERVAL_SECONDS
    log_lines: int = MOST_LINES
    log_origins: Form = "full"
    log_sample: float = 0.0
    report_to: str | None = None
    report_token: str | None = None
    report_spool: str | None = None
    report_spool_size: int = 64
    instance: str | None = None
    line_by_line: bool = False
    no_metrics: bool = False

    @property
    def listeners(self) -> dict[str, tuple[str, ...]]:
        """The descriptions of all endpoints, by the options that have them, in the order in which they are opened."""
        return {
            "listen": self.listen,
            "operator-listen": self.operator_listen,
            "metrics-listen": self.metrics_listen,
        }

    @property
    def has_decision_log(self) -> bool:
        """Whether there are lines on what is decided."""
        return self.decision_log is not None or self.report_to is not None

    @property
    def limits(self) -> Limits:
        """The limits of the resource tree."""
        return Limits(ttl=self.decision_ttl, body=self.max_body)

    @property
    def server_limits(self) -> ServerLimits:
        """The limits of the HTTP server."""
        return ServerLimits(
            body=self.max_body,
            head=self.max_head,
            head_lines=self.max_head_lines,
            connections=self.max_connections,
            peer_connections=self.max_peer_connections,
            held=self.max_held,
            send_timeout=self.send_timeout,
            request_timeout=self.request_timeout,
            idle_timeout=self.idle_timeout,
        )

    @property
    def reader_limits(self) -> ReaderLimits:
        """What reading the policies may take."""
        return ReaderLimits(self.reader_memory, self.reader_timeout, self.follow_links)

    def to_json(self) -> str:
        """Write the settings as JSON, in ASCII."""
        # Not msgspec.json: a path may hold bytes that are not UTF-8, which Python keeps as lone surrogates.
        return json.dumps(to_builtins(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is not the JSON of settings.
        """
        return convert(json.loads(text), cls)
