"""What is done before the reactor runs, while its errors are still seen by whoever starts the service."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IReactorProcess, IReactorSocket, IStreamServerEndpoint
from twisted.python.usage import UsageError

from cors_service._twisted import endpoint_path, endpoint_port
from cors_service.access import InvalidAccess
from cors_service.access.document import read_access_file
from cors_service.daemon.access import KeptText, LiveAccess
from cors_service.daemon.backlog import warn_if_capped, with_backlog
from cors_service.daemon.decision_log import check_log
from cors_service.daemon.json_log import log_refused_start
from cors_service.daemon.no_endpoint import why_no_endpoint
from cors_service.daemon.open_files import with_files
from cors_service.daemon.own_store import find_store, read_store
from cors_service.daemon.settings import DEFAULT_LISTEN, Settings
from cors_service.daemon.unix_sockets import for_the_group
from cors_service.follow.store import StoreToFollow
from cors_service.grammar.mistakes import InvalidDocument, InvalidPolicies
from cors_service.ledger.urls import is_url
from cors_service.policy import PolicySet
from cors_service.policy.change import Change
from cors_service.policy.summary import summarize
from cors_service.reader.snapshot import UNREADABLE, Snapshot
from cors_service.reader.sources import read_policies
from cors_service.server.https import WrongEndpoint
from cors_service.store import FilePolicyStore, IPolicyStore, ReaderPolicyStore
from cors_service.store.reader_client import PolicySource, check_in_process, in_memory, read_in_process
from cors_service.streams import until_written
from cors_service.web.hosts import Hosts
from cors_service.workers.sockets import PassedSockets

Endpoint = tuple[str, IStreamServerEndpoint]
Endpoints = dict[str, list[Endpoint]]


class Prepared(NamedTuple):
    """Everything that a service is made of.

    Attributes:
        settings: The settings.
        store: Where the policies come from, unless workers get them from a reader.
        initial: The change from nothing to the policies to start with; None in that case.
        endpoints: Where to listen, each endpoint with its description, by the options that have them.
        access: Who may ask; None for everybody.
        json_log: The open file for the log as JSON.
        snapshot: For workers: where the policies are that were found to be good.
    """

    settings: Settings
    store: IPolicyStore
    initial: Change | None
    endpoints: Endpoints
    access: LiveAccess | None
    json_log: TextIO | None
    snapshot: Snapshot | None = None


def check_policies(settings: Settings, reactor: Any) -> NoReturn:
    """Report what is wrong with the policies and with who may ask, or what is in the policies, and exit.

    Args:
        settings: The settings.
        reactor: The reactor.

    Raises:
        SystemExit: Always.
    """
    refused: list[InvalidDocument] = []
    with collecting(refused):
        policy_set = _policies_to_check(settings, reactor)
    with collecting(refused):
        if settings.auth is not None:
            read_access_file(Path(settings.auth))
    if refused:
        refuse(*refused)
    raise SystemExit(until_written(lambda: _write_summary(policy_set), "twist cors"))


def _write_summary(policy_set: PolicySet) -> int:
    sys.stdout.write(f"{summarize(policy_set)}\n")
    return 0


def _policies_to_check(settings: Settings, reactor: Any) -> PolicySet:
    if settings.store is not None:
        change = read_store(find_store(settings.store, reactor))
    elif isinstance(source := source_of(settings), Path):
        return read_policies(source, settings.reader_limits)
    else:
        change = read_in_process(source, in_memory(), settings.reader_limits)
    return PolicySet.of(change.policies, change.origin_sets, change.header_sets)


def prepare(settings: Settings, reactor: Any) -> Prepared:
    """Do everything that can fail because of an operator's mistake.

    Args:
        settings: The settings.
        reactor: The reactor, which does not run yet.

    Raises:
        UsageError: A setting can't work; the text is a sentence that names the option.
        SystemExit: The policies or who may ask have mistakes, which are on standard error.
    """
    try:
        Hosts(settings.host)
    except ValueError as error:
        raise UsageError(f"--host: {error}.") from None
    if settings.workers > 1:
        _check_workers(settings, reactor)
    _check_snapshot(settings)
    check_log(settings)
    settings = with_files(settings)
    warn_if_capped(chain.from_iterable(settings.listeners.values()))
    store = make_store(settings, reactor)
    initial, snapshot = None, None
    refused: list[InvalidDocument] = []
    with collecting(refused):
        if settings.workers == 1:
            initial = read_initial(settings, store)
        else:
            snapshot = make_snapshot(settings) or in_memory()
            check_in_process(source_of(settings), snapshot, settings.reader_limits)
    with collecting(refused):
        access = make_access(settings, reactor)
    if refused:
        refuse(*refused, json_log=settings.json_log)
    endpoints = {
        option: [(what, make_endpoint(what, reactor, option)) for what in described]
        for option, described in settings.listeners.items()
    }
    json_log = None if settings.json_log is None else open_log("json-log", settings.json_log)
    if settings.access_log not in {None, "-"}:
        # The site opens it itself.
        open_log("access-log", settings.access_log).close()
    return Prepared(settings, store, initial, endpoints, access, json_log, snapshot)


def make_store(settings: Settings, reactor: Any) -> IPolicyStore:
    """Make the store that the settings name.

    Raises:
        UsageError: There is no such store.
    """
    if settings.store is not None:
        return find_store(settings.store, reactor)
    source, snapshot = source_of(settings), make_snapshot(settings)
    if sys.platform != "win32":
        return ReaderPolicyStore(source, reactor, snapshot=snapshot, limits=settings.reader_limits)
    if not isinstance(source, Path):
        raise UsageError("--policies: a store can only be followed on Unix; name a path.")
    # Without POSIX signals to keep away from a process of its own, a thread reads.
    return FilePolicyStore(source, reactor, snapshot=snapshot, limits=settings.reader_limits)


def make_shadow_store(settings: Settings, reactor: Any) -> IPolicyStore:
    """Make the store of the shadow, which keeps no snapshot: without it, nothing is answered otherwise."""
    assert settings.shadow is not None
    store = FilePolicyStore if sys.platform == "win32" else ReaderPolicyStore
    return store(Path(settings.shadow), reactor, limits=settings.reader_limits)


def make_access(settings: Settings, reactor: Any, kept: KeptText | None = None) -> LiveAccess | None:
    """Read who may ask, in this thread; None for everybody.

    Raises:
        InvalidAccess: With every mistake.
    """
    return None if settings.auth is None else LiveAccess(Path(settings.auth), reactor, kept=kept)


def make_snapshot(settings: Settings) -> Snapshot | None:
    """Make the snapshot that the settings name."""
    return None if settings.snapshot is None else Snapshot(Path(settings.snapshot), settings.max_snapshot_age)


def read_initial(settings: Settings, store: IPolicyStore) -> Change:
    """Read the policies to start with.

    Args:
        settings: The settings.
        store: The store that they name.

    Raises:
        InvalidPolicies: With every mistake.
        UsageError: The store gives something other than policies.
    """
    # Nothing of what is read is garbage, and looking for some takes a third of the time.
    gc.disable()
    try:
        return store.read() if settings.store is None else read_store(store, make_snapshot(settings))
    finally:
        gc.enable()


def make_endpoint(description: str, reactor: Any, option: str = "listen") -> IStreamServerEndpoint:
    """Make an endpoint.

    Args:
        description: What it is, as Twisted writes it.
        reactor: The reactor.
        option: The option that it is the value of.

    Raises:
        UsageError: The description is not one of an endpoint.
    """
    if not description:
        # As in the image, which leaves it to those who run it.
        raise UsageError(f"--{option} is empty; write {DEFAULT_LISTEN}, or tcp:8080 to listen on every address.")
    listens = PassedSockets(reactor) if "systemd" in description.split(":") else reactor
    try:
        endpoint: IStreamServerEndpoint = serverFromString(listens, with_backlog(for_the_group(description)))
    except WrongEndpoint as error:
        raise UsageError(f"--{option} {ascii(description)[1:-1]}: {error}") from None
    except Exception as error:  # noqa: BLE001 - parsers of endpoints raise whatever they stumble over
        why = why_no_endpoint(description, error)
    else:
        if not 0 <= (endpoint_port(endpoint) or 0) <= 65535:
            why = f"the port is not a number from 0 to 65535. Write something like {DEFAULT_LISTEN}."
        elif endpoint_path(endpoint) == "":
            why = "the path is missing. Write something like unix:/run/cors.sock."
        else:
            return endpoint
    what, why = (ascii(text)[1:-1] for text in (description, why))
    raise UsageError(f"--{option} {what} is not an endpoint: {why}")


def source_of(settings: Settings) -> PolicySource:
    """Say where the policies come from, where that is not a store of somebody's own."""
    assert settings.policies is not None, "there are policies or a store"
    if not is_url(settings.policies):
        return Path(settings.policies)
    return StoreToFollow(
        url=settings.policies,
        confirm_interval=settings.confirm_interval,
        accept_rollback=settings.accept_rollback,
        keys=settings.policies_key,
        key_threshold=settings.policies_key_threshold,
        is_unsigned=settings.unsigned,
    )


@contextmanager
def collecting(refused: list[InvalidDocument]) -> Iterator[None]:
    """Keep what is wrong with documents, so that others are read before the process ends."""
    try:
        yield
    except (InvalidPolicies, InvalidAccess) as invalid:
        refused.append(invalid)


def refuse(*refused: InvalidDocument, json_log: str | None = None) -> NoReturn:
    """Write everything that is wrong with documents to standard error and the log as JSON, and end the process."""
    log_refused_start(json_log, chain.from_iterable(invalid.mistakes for invalid in refused))
    for invalid in refused:
        reason = _why_unreadable(invalid)
        sys.stderr.write(f"{invalid.report() if reason is None else reason}\n")
    raise SystemExit(1) from None


def _why_unreadable(invalid: InvalidDocument) -> str | None:
    """Why there is nothing that could have mistakes, in a sentence that names it; None where there is something."""
    mistakes = invalid.mistakes
    if any(mistake.code != UNREADABLE or mistake.path for mistake in mistakes) or mistakes[0].file is not None:
        return None
    return "\n".join(mistake.message if mistake.file is None else str(mistake) for mistake in mistakes)


def _check_workers(settings: Settings, reactor: Any) -> None:
    if settings.store is not None:
        raise UsageError("--store can't be used with several workers: leave out --workers.")
    if sys.platform == "win32" or not (IReactorSocket.providedBy(reactor) and IReactorProcess.providedBy(reactor)):
        raise UsageError("--workers needs Unix: a system and a reactor where processes can share a socket.")
    for option, description in [(option, what) for option, all_of in settings.listeners.items() for what in all_of]:
        # Only the first process knows which sockets inside another endpoint systemd passes on.
        if "systemd" in description.split(":")[1:] or description.startswith("stdio"):
            raise UsageError(f"--{option} {description!a} can't be shared by several workers.")


def open_log(option: str, path: str | None) -> TextIO:
    """Open the file that an option names, to add to it; `-` and nothing stand for standard output.

    Raises:
        UsageError: It can't be opened.
    """
    if path in {None, "-"}:
        return sys.stdout
    try:
        return Path(path).open("a", encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"--{option} can't be opened: {path!a}: {why}.") from None


def _check_snapshot(settings: Settings) -> None:
    snapshot = make_snapshot(settings)
    if snapshot is None:
        return
    path = snapshot.path
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--snapshot: the directory {str(path.absolute().parent)!a} does not exist.")
    why = snapshot.why_not_to_replace()
    if why is not None:
        raise UsageError(f"--snapshot {settings.snapshot!a} would be replaced, but {why}: name another file.")
