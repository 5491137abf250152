"""The main program of a worker: one of several processes that serve, started by a supervisor."""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

from twisted.logger import globalLogBeginner

from cors_service.access import InvalidAccess
from cors_service.daemon.service import DecisionService
from cors_service.daemon.settings import Settings
from cors_service.daemon.start import make_access, make_store, read_initial
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy.change import Change
from cors_service.store import IPolicyStore
from cors_service.workers import Acceptor, Crew, Loads, Pipe, WorkerLog, WorkerSite, last_good, listen_on_shared


def main() -> None:
    """Serve until the supervisor says that the worker shall end, or is gone itself."""
    settings, given = Settings.from_json(sys.argv[1]), json.loads(sys.argv[2])
    # A terminal sends it to all processes of the service, and the supervisor then says what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Processes that the worker starts must not hold any of these open.
    for descriptor in (given["says"], given["loads"], *given["sockets"]):
        os.set_inheritable(descriptor, False)
    import_module(given["reactor"]).install()
    from twisted.internet import reactor

    pipe = Pipe(given["says"])
    globalLogBeginner.beginLoggingTo([WorkerLog(pipe)], redirectStandardIO=False)
    serve(settings, given, pipe, reactor)


def serve(settings: Settings, given: dict[str, Any], pipe: Pipe, reactor: Any) -> None:
    """Make the service of a worker, and run the reactor until it ends.

    Args:
        settings: The settings of the supervisor.
        given: What the supervisor made for the worker: its number and its descriptors.
        pipe: Leads to the supervisor.
        reactor: The reactor.
    """
    loads = Loads(given["loads"], given["workers"])
    endpoints = [
        (
            description,
            # The service has these endpoints itself, so it is looked up late.
            listen_on_shared(reactor, description, socket, given["number"], loads, lambda: len(service.site.channels)),
        )
        for description, socket in zip(settings.listen, given["sockets"], strict=True)
    ]
    store = make_store(settings, reactor)
    initial = first_policies(settings, store, pipe, given["hears"])
    try:
        access = make_access(settings, reactor)
    except InvalidAccess as invalid:
        sys.exit(invalid.report())
    service = DecisionService(settings, store, initial, endpoints, reactor, access=access, site_class=WorkerSite)
    crew = Crew(
        reactor,
        given["number"],
        given["workers"],
        hears=given["hears"],
        pipe=pipe,
        loads=loads,
        policies=service.policies,
        reload=service.reload,
        site=service.site,
        acceptors=lambda: [port for port in service.server.ports if isinstance(port, Acceptor)],
    )
    service.tree.status.worker, service.tree.status.workers = crew.number, crew.workers
    crew.setServiceParent(service)
    pipe.say("begins")
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


def first_policies(settings: Settings, store: IPolicyStore, pipe: Pipe, hears: int) -> Change:
    """Read the policies to start with; where they are bad, take those of the other workers.

    Raises:
        SystemExit: There are no good ones; the mistakes are on standard error.
    """
    try:
        return read_initial(settings, store)
    except InvalidPolicies as invalid:
        kept = last_good(pipe, hears)
        if kept is None:
            sys.exit(invalid.report())
        policy_set, loaded_at = kept
        return Change.whole(policy_set, loaded_at=loaded_at, mistakes=invalid)


if __name__ == "__main__":
    main()
