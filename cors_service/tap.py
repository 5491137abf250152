"""`twist cors` and `twistd cors`: the options, and the service that they ask for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

from twisted.application.service import IService

from cors_service.daemon.options import PluginOptions, WrongValue, number
from cors_service.daemon.settings import DEFAULT_LISTEN, Settings
from cors_service.daemon.tls import imports_for
from cors_service.ledger.urls import NoSuchStore, check_url, is_url
from cors_service.observe.words import FORMS, LONGEST_NAME, MOST_ROWS
from cors_service.wire.answers import LONGEST_TTL

if TYPE_CHECKING:
    from cors_service.daemon.start import Prepared

_DEFAULTS: Final = Settings()
_MOST_WORKERS: Final = 256
"""More than any machine has cores for: a number that is larger is a slip."""
_FLAGS: Final = ("line-by-line", "follow-links", "no-metrics", "accept-rollback", "unsigned")


def _field(option: str) -> str:
    """The name of the setting that an option sets."""
    return option.replace("-", "_")


def _number(name: str, kind: type[int | float], least: float, description: str, most: int = (1 << 31) - 1) -> list[Any]:
    """The parameter of an option that is a number; its default is that of the setting of this name."""
    return number(name, kind, getattr(_DEFAULTS, _field(name)), least, description, most)


def _form(text: str) -> str:
    """Read the form of origins."""
    if text not in FORMS:
        return WrongValue(f"--log-origins must be {', '.join(FORMS[:-1])} or {FORMS[-1]}, not {text!r}")
    return text


def _name(text: str) -> str:
    """Read the name of a service."""
    if len(text) > LONGEST_NAME or not text.isprintable():
        return WrongValue(f"--instance must be a line of at most {LONGEST_NAME} characters")
    return text


class Options(PluginOptions):
    """The options of the plugin.

    Attributes:
        prepared: What the service is made of, once the options are parsed.
    """

    plugin = "cors"
    reads = ("policies", "shadow", "auth", "report-token", "policies-key")
    writes = ("snapshot", "access-log", "json-log", "decision-log", "report-spool")
    prepared: Prepared
    synopsis = "[options] --policies PATH|URL | --store MODULE:NAME"
    longdesc = (
        "Decides about CORS: other services ask it which headers to emit. Policies are read from PATH, a TOML or JSON "
        "file or a directory of them, and again on SIGHUP and whenever they change; a document with "
        f"mistakes never becomes active. It listens on {DEFAULT_LISTEN} unless told otherwise. Ask it with: "
        "curl 'http://127.0.0.1:8080/v1/decision?policy=NAME&origin=ORIGIN'"
    )
    optParameters: ClassVar[list[list[Any]]] = [
        [
            "policies",
            "p",
            None,
            "The policy document, or a directory of *.toml and *.json documents, or the URL of a store.",
        ],
        [
            "store",
            None,
            None,
            "Instead of --policies: a store of your own, or a function that makes one, given the reactor.",
        ],
        [
            "auth",
            None,
            None,
            "A TOML document that says who may ask, by token or certificate. Everybody by default.",
        ],
        _number(
            "decision-ttl", int, 0, "Seconds for which callers may use a decision again; 0 for never.", LONGEST_TTL
        ),
        _number("max-body", int, 1, "Bytes that the body of a request may have."),
        _number("max-head", int, 1, "Bytes that the first line and the headers of a request may have."),
        _number("max-head-lines", int, 1, "Headers that a request may have."),
        _number("max-connections", int, 1, "Open connections; one more closes one that has not asked, or the idlest."),
        _number("max-peer-connections", int, 0, "The same for each address of another machine; 0 for no such limit."),
        _number("max-held", int, 1024 * 1024, "Bytes of unanswered requests and unread answers, over all connections."),
        _number("request-timeout", float, 1, "Seconds that a request may take from its first byte to its last."),
        _number("send-timeout", float, 1, "Seconds after which a client that reads no answers is cut off."),
        _number("idle-timeout", float, 1, "Seconds after which a silent connection is closed."),
        _number("drain-timeout", float, 0, "Seconds that requests in flight have to end after SIGTERM."),
        _number(
            "workers",
            int,
            1,
            "Processes that serve; with more than one, this process only looks after them.",
            _MOST_WORKERS,
        ),
        [
            "shadow",
            None,
            None,
            "Policies evaluated alongside the live ones, and never sent; /v1/status says what they would change.",
        ],
        [
            "snapshot",
            None,
            None,
            "A file that keeps the last good policies for a start while PATH can't be read or has mistakes.",
        ],
        _number(
            "max-snapshot-age", float, 1, "Seconds after which a snapshot is too old for a start. Never by default."
        ),
        _number("confirm-interval", float, 0.1, "Seconds between two checks whether the store has a newer change."),
        _number(
            "max-stale",
            float,
            0.1,
            "Seconds without confirmation from the store after which /readyz is a 503. Never by default.",
        ),
        _number("policies-key-threshold", int, 1, "How many of the keys must have signed a bundle."),
        _number("reader-memory", int, 64, "MiB of memory that reading the policies may take up."),
        _number("reader-timeout", float, 1, "Seconds that reading the policies may take without a sign of progress."),
        ["access-log", None, None, "A file for a line on each request, - for the log. Off by default."],
        ["json-log", None, None, "A file for the log as JSON, an object a line, - for standard output."],
        ["decision-log", None, None, "A file for lines on what is decided, - for standard output. Off by default."],
        _number("log-interval", float, 0.1, "Seconds of decisions that a line of the decision log sums up."),
        _number("log-lines", int, 1, "Lines of an interval that count decisions; one sums up the rest.", MOST_ROWS),
        ["log-origins", None, _DEFAULTS.log_origins, "How that log writes origins: full, site or hashed.", _form],
        _number("log-sample", float, 0, "The share of decisions that get a line of their own in that log, 0 to 1.", 1),
        ["report-to", None, None, "The URL of a collector that gets the lines of the decision log."],
        ["report-token", None, None, "A file with the token to show to the collector."],
        ["report-spool", None, None, "A file that keeps lines until the collector has taken them."],
        _number("report-spool-size", int, 1, "MiB of lines that the spool keeps; beyond that, the oldest are dropped."),
        ["instance", None, None, "The name of this service in lines and reports; the host's by default.", _name],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["check", None, "Report what is wrong with the policies and with --auth, or what is in them, and exit."],
        ["accept-rollback", None, "At this start, take what the store holds even if it is older than the snapshot."],
        ["unsigned", None, "Take a bundle without a signature."],
        ["follow-links", None, "Follow links in the directory of the policies that lead out of it."],
        ["line-by-line", None, "Read all requests as Twisted does: several times slower, with the same answers."],
        ["no-metrics", None, "Count nothing, and have no /metrics."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["operator-listen"] = []
        self["metrics-listen"] = []
        self["host"] = []
        self["policies-key"] = []

    def opt_listen(self, description: str) -> None:
        """Listen on this endpoint, such as tcp:8080 or unix:/run/cors.sock; repeatable."""
        self["listen"].append(description)

    opt_l = opt_listen

    def opt_operator_listen(self, description: str) -> None:
        """Listen on this endpoint for /v1/policies, /v1/status and /metrics, then nowhere else; repeatable."""
        self["operator-listen"].append(description)

    def opt_metrics_listen(self, description: str) -> None:
        """Listen on this endpoint for /metrics, which is then nowhere else; repeatable."""
        self["metrics-listen"].append(description)

    def opt_host(self, name: str) -> None:
        """Answer to this name, such as cors.internal or cors.internal:8080, and to loopback names; repeatable."""
        self["host"].append(name)

    def opt_policies_key(self, path: str) -> None:
        """A file with a public key to check the signatures of a bundle; repeatable."""
        self["policies-key"].append(path)

    def settings(self) -> Settings:
        """The settings that the options make.

        Raises:
            UsageError: With a line for each mistake.
        """
        self.refuse_mistakes()
        values = {_field(name): value for name, value in self.items() if name != "check"}
        listen = tuple(self["listen"]) or _DEFAULTS.listen
        lists = {
            _field(name): tuple(self[name]) for name in ("operator-listen", "metrics-listen", "host", "policies-key")
        }
        flags = {_field(name): bool(self[name]) for name in _FLAGS}
        return Settings(**(values | lists | flags | {"listen": listen}))

    def mistakes(self) -> Iterator[str]:
        """Give what is wrong with options that go with others, in sentences."""
        if self["policies"] is None and self["store"] is None:
            yield "--policies is missing: name a policy document, a directory of them, or the URL of a store."
        if self["policies"] is not None and self["store"] is not None:
            yield "--policies and --store exclude each other: leave out one of them."
        yield from self._mistakes_of_source()
        if self["max-snapshot-age"] is not None and self["snapshot"] is None:
            yield "--max-snapshot-age needs --snapshot."
        if self["metrics-listen"] and self["no-metrics"]:
            yield "--metrics-listen and --no-metrics exclude each other: leave out one of them."
        if self["report-to"] is not None and self["report-spool"] is None:
            yield "--report-to needs --report-spool: name a file that keeps what is not sent yet."
        for option in ("report-token", "report-spool"):
            if self[option] is not None and self["report-to"] is None:
                yield f"--{option} needs --report-to."
        if self["log-sample"] and self["decision-log"] is None and self["report-to"] is None:
            yield "--log-sample needs --decision-log or --report-to: there is no log to sample for."

    def _mistakes_of_source(self) -> Iterator[str]:
        """Options that only mean something for a store, and a URL with something secret in it."""
        if self["shadow"] is not None and is_url(self["shadow"]):
            yield "--shadow takes a path, not the URL of a store."
        policies = self["policies"]
        if policies is not None and is_url(policies):
            try:
                check_url(policies)
            except NoSuchStore as error:
                yield f"--policies: {error}"
            if self["policies-key"] and self["unsigned"]:
                yield "--policies-key and --unsigned exclude each other: leave out one of them."
            return
        given = [name for name in ("max-stale", "accept-rollback", "policies-key", "unsigned") if self[name]]
        if given:
            yield f"--{given[0]} needs the URL of a store: --policies postgresql://..., for example."

    def postOptions(self) -> None:
        """Find whatever is wrong while it can still be reported as one line, and not as a traceback."""
        settings = self.settings()
        # Imported late: the command line chooses the reactor, and whether there is TLS.
        with imports_for(settings):
            from twisted.internet import reactor

            from cors_service._twisted import log_as_text
            from cors_service.daemon import service, start  # noqa: F401 - the service is made later
        if self.parent is not None:
            log_as_text(self.parent, sys.argv)
        if self["check"]:
            start.check_policies(settings, reactor)
        self.prepared = start.prepare(settings, reactor)


def makeService(options: Options) -> IService:
    """Make the service that the options ask for.

    Args:
        options: Parsed.

    Returns:
        A service that keeps the policies active, listens, and reloads on SIGHUP.
    """
    from twisted.internet import reactor

    from cors_service.daemon.clock import keep_timers
    from cors_service.daemon.ending import Ending
    from cors_service.daemon.service import make_service

    keep_timers(reactor)
    Ending(reactor, options.prepared.settings.drain_timeout)
    return make_service(options.prepared, reactor)
