"""The admin process: what is done before the reactor runs, and its service."""

from __future__ import annotations

import os
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.usage import UsageError

from cors_service._twisted import endpoint_interface, endpoint_path
from cors_service.admin.audit import Audit
from cors_service.admin.changes import Changes
from cors_service.admin.decisions_file import CannotKeep
from cors_service.admin.desk import Desk
from cors_service.admin.insights import FILE as DECISIONS
from cors_service.admin.insights import KeptDecisions, mount_insights
from cors_service.admin.proposals import Proposals
from cors_service.admin.replicas import Replicas
from cors_service.admin.tree import AdminTree
from cors_service.console.attempts import Attempts
from cors_service.console.console import Console
from cors_service.console.ignored import IgnoredOrigins
from cors_service.console.proxies import SignInProxy
from cors_service.console.sessions import Sessions
from cors_service.console.tree import mount_console
from cors_service.daemon.access import LiveAccess
from cors_service.daemon.admin_settings import AdminSettings
from cors_service.daemon.certificates import Certificates
from cors_service.daemon.hangup import ReloadOnHangup
from cors_service.daemon.json_log import log_as_json, log_refused_start
from cors_service.daemon.names import Names
from cors_service.daemon.notify import Notifier
from cors_service.daemon.start import Endpoint, collecting, make_endpoint, open_log, refuse
from cors_service.grammar.mistakes import InvalidDocument
from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.urls import NoSuchStore, check_url, is_url, open_store
from cors_service.server import DecisionServer, DecisionSite
from cors_service.server.channel import DecisionChannel
from cors_service.web.hosts import Hosts
from cors_service.web.ids import decision_ids
from cors_service.web.turns import Turns

_REPLICAS: Final = "replicas.json"
_PROPOSALS: Final = "proposals"
_AUDIT: Final = "audit.jsonl"
_IGNORED: Final = "ignored.json"
_SESSIONS: Final = "sessions.json"
_PRIVATE: Final = 0o700
_SIGNERS: Final = {"proxy": "addresses from which the header is believed", "header": "header that is believed"}


class AdminPrepared(NamedTuple):
    """Everything that the admin process is made of.

    Attributes:
        settings: The settings.
        changes: Reads and changes the store, which was read once.
        decisions: Keeps what replicas report of their decisions.
        endpoints: Where to listen, each endpoint with its description.
        access: Who may do what; None for everybody on this machine.
        json_log: The open file for the log as JSON.
    """

    settings: AdminSettings
    changes: Changes
    decisions: KeptDecisions
    endpoints: list[Endpoint]
    access: LiveAccess | None
    json_log: TextIO | None


def prepare(settings: AdminSettings, reactor: Any) -> AdminPrepared:
    """Do everything that can fail because of an operator's mistake.

    Args:
        settings: The settings.
        reactor: The reactor, which does not run yet.

    Raises:
        UsageError: A setting can't work; the text is a sentence that names the option.
        SystemExit: The policies or who may do what have mistakes, which are on standard error.
    """
    try:
        Hosts(settings.host)
    except ValueError as error:
        raise UsageError(f"--host: {error}.") from None
    endpoints = [(what, make_endpoint(what, reactor)) for what in settings.listen]
    if settings.auth is None:
        for what, endpoint in endpoints:
            _check_local(what, endpoint)
    _check_proxy(settings)
    _check_store(settings.store)
    _check_data(settings)
    refused: list[InvalidDocument] = []
    with collecting(refused):
        access = None if settings.auth is None else LiveAccess(Path(settings.auth), reactor)
    try:
        with collecting(refused):
            changes = Changes(_make_store(settings.store), reactor)
    except StoreUnavailable as error:
        if is_url(settings.store):
            # It names the store itself, and may be mended elsewhere.
            log_refused_start(settings.json_log, [error])
            sys.stderr.write(f"{error}\n")
            raise SystemExit(1) from None
        raise UsageError(f"--store {settings.store!a}: {error}") from None
    if refused:
        refuse(*refused, json_log=settings.json_log)
    try:
        decisions = KeptDecisions(Path(settings.data) / DECISIONS, reactor)
    except CannotKeep as error:
        raise UsageError(f"--data: {error}.") from None
    json_log = None if settings.json_log is None else open_log("json-log", settings.json_log)
    if settings.access_log not in {None, "-"}:
        open_log("access-log", settings.access_log).close()
    return AdminPrepared(settings, changes, decisions, endpoints, access, json_log)


def make_service(prepared: AdminPrepared, reactor: Any) -> AdminService:
    """Make the service of the admin process.

    Args:
        prepared: What `prepare` gave.
        reactor: The reactor.
    """
    if prepared.json_log is not None:
        log_as_json(prepared.json_log, reactor)
    return AdminService(prepared, reactor, Notifier.of(os.environ))


class AdminService(MultiService):
    """Follows a store, changes it, and listens.

    Attributes:
        tree: The resource tree.
        server: Listens for it.
    """

    _log: Final = Logger()

    def __init__(self, prepared: AdminPrepared, reactor: Any, notifier: Notifier | None = None) -> None:
        """Make a service.

        Args:
            prepared: What it is made of.
            reactor: The reactor.
            notifier: Tells the service manager what the process does; None for nobody to tell.
        """
        super().__init__()
        settings, changes, decisions, endpoints, self._access, _ = prepared
        self._certificates = Certificates(endpoints, reactor)
        self._reactor = reactor
        self._changes = changes
        self._notifier = Notifier() if notifier is None else notifier
        data = Path(settings.data)
        replicas = Replicas(data / _REPLICAS, reactor, lambda: changes.kept.head)
        changes.when_head_changes(replicas.head_changed)
        self.tree = AdminTree(
            Desk(
                ids=decision_ids(),
                clock=reactor,
                turns=Turns(reactor),
                changes=changes,
                replicas=replicas,
                proposals=Proposals(data / _PROPOSALS),
                audit=Audit(data / _AUDIT),
                access=self._access,
                body=settings.max_body,
                decision_ttl=settings.decision_ttl,
            )
        )
        mount_insights(self.tree, decisions)
        console = Console(
            desk=self.tree.desk,
            decisions=decisions,
            sessions=Sessions(data / _SESSIONS, reactor),
            attempts=Attempts(reactor),
            ignored=IgnoredOrigins(data / _IGNORED),
            proxy=SignInProxy(settings.sign_in_header or "", settings.sign_in_proxy),
        )
        mount_console(self.tree, console).setServiceParent(self)
        site = DecisionSite(
            self.tree,
            reactor,
            limits=settings.server_limits,
            access_log=settings.access_log,
            channel=DecisionChannel,
        )
        self.server = DecisionServer(site, endpoints, drain_timeout=settings.drain_timeout)
        changes.setServiceParent(self)
        replicas.setServiceParent(self)
        decisions.setServiceParent(self)
        if self._access is not None:
            self._access.setServiceParent(self)
        self.server.setServiceParent(self)
        Names(self.tree, self.server, settings.host, warns=True).setServiceParent(self)
        self._certificates.setServiceParent(self)
        ReloadOnHangup(self.reload, reactor, self._notifier).setServiceParent(self)
        self._notifier.setServiceParent(self)

    def startService(self) -> None:
        """Start."""
        super().startService()
        self._reactor.callWhenRunning(self._notifier.ready)

    def reload(self) -> Deferred[None]:
        """Read again what an operator may have changed: the store, who may do what, certificates."""
        self._certificates.reload()
        reloads = [self._changes.follow()]
        if self._access is not None:
            reloads.append(self._access.reload())
        return gatherResults(reloads).addCallback(lambda _: None)


def _check_local(description: str, endpoint: Any) -> None:
    """Refuse an endpoint that other machines may connect to, where nobody says who may do what."""
    interface = endpoint_interface(endpoint)
    if interface is None and endpoint_path(endpoint):
        return
    if interface and _is_loopback(interface):
        return
    raise UsageError(
        f"--listen {ascii(description)[1:-1]} may be reached by other machines: say who may do what with --auth FILE, "
        "or listen on a loopback address or a Unix socket."
    )


def _check_proxy(settings: AdminSettings) -> None:
    """Refuse a header that anybody may send, and a proxy that has nothing to say."""
    header, proxy = settings.sign_in_header, settings.sign_in_proxy
    if bool(header) != bool(proxy):
        given, other = ("header", "proxy") if header else ("proxy", "header")
        raise UsageError(f"--sign-in-{given} needs --sign-in-{other}: it names the {_SIGNERS[other]}.")
    if header and settings.auth is None:
        raise UsageError("--sign-in-header needs --auth: it says what each of the people may do.")
    try:
        SignInProxy(header or "", proxy)
    except ValueError as error:
        raise UsageError(f"--sign-in-header, --sign-in-proxy: {error}.") from None


def _is_loopback(interface: str) -> bool:
    try:
        return ip_address(interface).is_loopback
    except ValueError:
        return False


def _make_store(store: str) -> IChangeStore:
    """Make the store that an option names.

    Raises:
        UsageError: It names none.
    """
    if not is_url(store):
        return DirectoryStore(Path(store))
    try:
        check_url(store)
        return open_store(store)
    except NoSuchStore as error:
        raise UsageError(f"--store: {error}") from None


def _check_store(path: str) -> None:
    if is_url(path):
        return
    if not Path(path).is_dir():
        what = "is a file; name the directory that it is in" if Path(path).exists() else "does not exist; make it"
        raise UsageError(f"--store: the directory {path!a} {what}.")


def _check_data(settings: AdminSettings) -> None:
    path = settings.data
    if not is_url(settings.store) and Path(path).resolve() == Path(settings.store).resolve():
        raise UsageError("--data can't be the directory of the policies: name another, such as one beneath /var/lib.")
    try:
        Path(path).mkdir(mode=_PRIVATE, exist_ok=True)
        (Path(path) / _PROPOSALS).mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"--data: {path!a} can't be used: {error.strerror}.") from None
