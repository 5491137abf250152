"""`twist cors` and `twistd cors`: the options, and the service that wires a store to a site."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, TextIO, cast

from twisted.application.service import IService, MultiService, Service
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFromThreads,
    IReactorProcess,
    IReactorSocket,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.logger import globalLogPublisher
from twisted.python import usage

from cors_service.daemon.json_log import JSONLines
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy import PolicySet, summarize
from cors_service.reader.snapshot import Snapshot
from cors_service.server import DecisionChannel, DecisionServer, DecisionSite, QuickChannel, ServerLimits
from cors_service.store import FilePolicyStore, LivePolicies, ReaderPolicyStore
from cors_service.web import Limits, decision_resource
from cors_service.workers import Supervisor

DEFAULT_LISTEN: Final = "tcp:8080:interface=127.0.0.1"

# What a service starts with: policies; from a snapshot, also when they were loaded and what was wrong with the newer.
Initial = tuple[PolicySet, float | None, InvalidPolicies | None]


_MOST: Final = 1 << 31


def _number(name: str, kind: type[int | float], least: int) -> Callable[[str], float]:
    """Make what reads the value of an option that is a number."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = -1
        if not least <= value < _MOST:
            what = "whole number" if kind is int else "number"
            raise ValueError(f"--{name} must be a {what} from {least} to {_MOST - 1}, and not {text!r}")
        return value

    return read


class Options(usage.Options):
    """The options of the plugin."""

    synopsis = "[options] --policies PATH"
    longdesc = (
        "Decides about CORS: other services ask it which headers to emit. Policies are read from PATH, a TOML or JSON "
        "file or a directory of them, and again on SIGHUP and whenever they change; a set with mistakes never "
        "replaces a good one. It listens on tcp:8080:interface=127.0.0.1 unless told otherwise. Ask it with: curl 'http://127.0.0.1:8080/v1/decision?policy=NAME&origin=ORIGIN'"
    )
    optParameters: ClassVar[list[list[Any]]] = [
        ["policies", "p", None, "The policy document, or a directory of *.toml and *.json documents. Required."],
        [
            "decision-ttl",
            None,
            5,
            "Seconds for which callers may use a decision again; 0 for never.",
            _number("decision-ttl", int, 0),
        ],
        ["max-body", None, 1048576, "Bytes that the body of a request may have.", _number("max-body", int, 1)],
        [
            "max-head",
            None,
            16384,
            "Bytes that the first line and the headers of a request may have.",
            _number("max-head", int, 1),
        ],
        ["max-head-lines", None, 100, "Headers that a request may have.", _number("max-head-lines", int, 1)],
        [
            "max-connections",
            None,
            900,
            "Open connections; one more closes the one that is idle for longest.",
            _number("max-connections", int, 1),
        ],
        [
            "request-timeout",
            None,
            10,
            "Seconds that a request may take from its first byte to its last.",
            _number("request-timeout", float, 1),
        ],
        [
            "idle-timeout",
            None,
            60,
            "Seconds after which a silent connection is closed.",
            _number("idle-timeout", float, 1),
        ],
        [
            "drain-timeout",
            None,
            10,
            "Seconds that requests in flight have to end after SIGTERM.",
            _number("drain-timeout", float, 0),
        ],
        [
            "workers",
            None,
            1,
            "Processes that serve; with more than one, this process only looks after them.",
            _number("workers", int, 1),
        ],
        ["snapshot", None, None, "A file that keeps the last good policies for a start while PATH can't be read."],
        ["access-log", None, None, "A file for a line on each request, - for the log. Off by default."],
        ["json-log", None, None, "A file for the log as JSON, an object a line, - for standard output."],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["check", None, "Report what is wrong with the policies, or what is in them, and exit."],
        ["line-by-line", None, "Read all requests as Twisted does: several times slower, with the same answers."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["arguments"] = []

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the options, and keep them for workers."""
        self["arguments"] = list(options or ())
        super().parseOptions(options)

    def opt_listen(self, description: str) -> None:
        """Listen on this endpoint, such as tcp:8080 or unix:/run/cors.sock; repeatable."""
        self["listen"].append(description)

    opt_l = opt_listen

    def postOptions(self) -> None:
        """Check everything that can be wrong, so that it is told in a line and not in a traceback."""
        if self["policies"] is None:
            raise usage.UsageError("--policies is missing: name a policy document or a directory of them.")
        from twisted.internet import reactor

        # Where there are no signals to keep from a process of its own, a thread reads.
        store = FilePolicyStore if sys.platform == "win32" else ReaderPolicyStore
        self["store"] = store(Path(self["policies"]), cast(Any, reactor))
        self["initial"] = self._read_policies()
        if self["check"]:
            raise SystemExit(0)
        descriptions = self["listen"] or [DEFAULT_LISTEN]
        self["endpoints"] = [(text, self._endpoint(number, text)) for number, text in enumerate(descriptions)]
        if self["workers"] > 1:
            self._check_workers(descriptions)
        self["json log"] = self._open_log("json-log")
        access_log = self._open_log("access-log")
        if access_log not in {None, sys.stdout}:
            access_log.close()  # it can be opened, which is for the site to do
        if self["snapshot"] is not None and not Path(self["snapshot"]).absolute().parent.is_dir():
            raise usage.UsageError(f"--snapshot {self['snapshot']!a} is in no directory.")

    def _endpoint(self, number: int, description: str) -> IStreamServerEndpoint:
        """Make an endpoint; the descriptions are counted from 0."""
        return cast(IStreamServerEndpoint, _endpoint(description))

    def _check_workers(self, descriptions: list[str]) -> None:
        from twisted.internet import reactor

        if sys.platform == "win32" or not (IReactorSocket.providedBy(reactor) and IReactorProcess.providedBy(reactor)):
            raise usage.UsageError("--workers needs a system and a reactor where processes can share a socket: Unix.")
        # Which of its sockets systemd passes on is only told to this process.
        wrapped = [text for text in descriptions if "systemd" in text.split(":")[1:] or text.startswith("stdio")]
        if wrapped:
            raise usage.UsageError(f"--listen {wrapped[0]!a} can't be shared by several workers.")

    def _read_policies(self) -> Initial:
        """Read what the service starts with.

        Raises:
            SystemExit: It has mistakes, which are on standard error.
        """
        # Of what is read nothing is garbage, and to look for some takes a third of the time.
        gc.disable()
        try:
            policy_set: PolicySet = self["store"].read()
        except InvalidPolicies as invalid:
            kept = self._read_snapshot(invalid)
            if kept is not None:
                return kept
            sys.stderr.write(f"{invalid.report()}\n")
            raise SystemExit(1) from None
        finally:
            gc.enable()
        if self["check"]:
            sys.stdout.write(f"{summarize(policy_set)}\n")
        return policy_set, None, None

    def _read_snapshot(self, invalid: InvalidPolicies) -> Initial | None:
        """Read the last good set, if it is only that the policies can't be read."""
        readable = [mistake for mistake in invalid.mistakes if mistake.code != "document-unreadable"]
        if self["snapshot"] is None or self["check"] or readable:
            return None
        try:
            policy_set, loaded_at = Snapshot(Path(self["snapshot"])).load()
        except (OSError, ValueError) as error:
            sys.stderr.write(f"cors-service: no help from the snapshot: {error}\n")
            return None
        return policy_set, loaded_at, invalid

    def _open_log(self, name: str) -> TextIO | None:
        if self[name] in {None, "-"}:
            return None if self[name] is None else sys.stdout
        try:
            return Path(self[name]).open("a", encoding="utf-8")
        except (OSError, ValueError) as error:
            raise usage.UsageError(f"--{name} can't be opened: {error}") from None


def makeService(options: Options) -> IService:
    """Wire a store to a site.

    Args:
        options: Parsed.

    Returns:
        A service that keeps the policies active, listens, and reloads on SIGHUP.
    """
    from twisted.internet import reactor

    if options["json log"] is not None:
        # Not a service: it would be stopped before the requests in flight are answered.
        lines = JSONLines(options["json log"])
        globalLogPublisher.addObserver(lines)
        cast(IReactorCore, reactor).callWhenRunning(lines.forget_beginning)
    return DecisionService(options) if options["workers"] == 1 else _supervised(options)


class DecisionService(MultiService):
    """Keeps the policies active, listens, and reloads on SIGHUP, in this process.

    Attributes:
        policies: What decides.
        site: What is served.
        tree: What it is made of.
        server: What listens.
    """

    def __init__(self, options: Options, site_class: type[DecisionSite] = DecisionSite) -> None:
        """Make a service.

        Args:
            options: Parsed.
            site_class: What to make a site of.
        """
        from twisted.internet import reactor

        super().__init__()
        clock = cast(IReactorTime, reactor)
        snapshot = None if options["snapshot"] is None else Snapshot(Path(options["snapshot"]))
        self.policies = LivePolicies(options["store"], clock, snapshot=snapshot)
        policy_set, loaded_at, instead_of = options["initial"]
        self.policies.activate(policy_set, loaded_at=loaded_at, instead_of=instead_of)
        limits = Limits(ttl=options["decision-ttl"], body=options["max-body"])
        self.tree = decision_resource(self.policies, limits=limits, clock=clock)
        server_limits = ServerLimits(
            body=options["max-body"],
            head=options["max-head"],
            head_lines=options["max-head-lines"],
            connections=options["max-connections"],
            request_timeout=options["request-timeout"],
            idle_timeout=options["idle-timeout"],
        )
        channel = DecisionChannel if options["line-by-line"] else QuickChannel
        self.site = site_class(
            self.tree, clock, limits=server_limits, access_log=options["access-log"], channel=channel
        )
        self.policies.setServiceParent(self)
        self.server = DecisionServer(self.site, options["endpoints"], drain_timeout=options["drain-timeout"])
        self.server.setServiceParent(self)
        ReloadOnHangup(self.policies.reload, reactor).setServiceParent(self)

    def startService(self) -> None:
        """Start, and spare the garbage collector what is there by then: it stays, and takes long to look through."""
        from twisted.internet import reactor

        super().startService()
        cast(IReactorCore, reactor).callWhenRunning(_freeze)


def _freeze() -> None:
    gc.collect()
    gc.freeze()


def _supervised(options: Options) -> IService:
    """Wire what looks after several processes."""
    from twisted.internet import reactor

    # They were only read for their mistakes; each worker reads them for itself.
    del options["initial"]
    services = MultiService()
    supervisor = Supervisor(
        reactor,
        options["workers"],
        options["endpoints"],
        ["-m", "cors_service.daemon.worker", *options["arguments"]],
        drain_timeout=options["drain-timeout"],
    )
    supervisor.setServiceParent(services)
    ReloadOnHangup(supervisor.reload, reactor).setServiceParent(services)
    return services


class ReloadOnHangup(Service):
    """Reloads policies on SIGHUP, the sign for it since there are daemons."""

    def __init__(self, reload: Callable[[], object], reactor: Any) -> None:
        self._reload_all = reload
        self._reactor = reactor
        self._before: Any = None

    def startService(self) -> None:
        """Handle the signal as soon as the reactor runs, which installs handlers of its own."""
        super().startService()
        if hasattr(signal, "SIGHUP"):
            cast(IReactorCore, self._reactor).callWhenRunning(self._install)

    def stopService(self) -> None:
        """Restore what was there before."""
        super().stopService()
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None

    def _install(self) -> None:
        self._before = signal.signal(signal.SIGHUP, self._reload)

    def _reload(self, *_: object) -> None:
        # A signal can come between any two instructions, so the reactor is asked to do it in its own time.
        cast(IReactorFromThreads, self._reactor).callFromThread(self._reload_all)


def _endpoint(description: str) -> Any:
    from twisted.internet import reactor

    try:
        endpoint = serverFromString(reactor, description)
        port = getattr(endpoint, "_port", 0)
    except Exception as error:  # noqa: BLE001 - parsers of endpoints raise whatever they stumble over
        detail = f"{type(error).__name__}: {error}"
    else:
        if isinstance(port, int) and not 0 <= port <= 65535:
            detail = "the port is not a number from 0 to 65535"
        elif getattr(endpoint, "_address", None) == "":
            detail = "the path is missing"
        else:
            return endpoint
    what, why = (ascii(text)[1:-1] for text in (description, detail))
    raise usage.UsageError(f"--listen {what} is not an endpoint ({why}); write something like {DEFAULT_LISTEN}.")
