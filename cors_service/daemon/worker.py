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
from cors_service.daemon.access import KeptText
from cors_service.daemon.service import DecisionService
from cors_service.daemon.settings import Settings
from cors_service.daemon.start import make_access, path_of, read_initial
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.reader.messages import Begun
from cors_service.reader.sources import shown_path
from cors_service.workers.channel import Channel
from cors_service.workers.loads import Loads
from cors_service.workers.log import WorkerLog
from cors_service.workers.site import WorkerSite
from cors_service.workers.sockets import Acceptor, listen_on_shared
from cors_service.workers.store import WorkerPolicyStore
from cors_service.workers.worker import Worker


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

    channel = Channel(given["hears"], given["says"])
    globalLogBeginner.beginLoggingTo([WorkerLog(channel)], redirectStandardIO=False)
    serve(settings, given, channel, reactor)


def serve(settings: Settings, given: dict[str, Any], channel: Channel, reactor: Any) -> None:
    """Make the service of a worker, and run the reactor until it ends.

    Args:
        settings: The settings of the supervisor.
        given: What the supervisor made for the worker: its number and its descriptors.
        channel: Leads to the supervisor.
        reactor: The reactor.
    """
    loads = Loads(given["loads"], given["workers"])
    endpoints = [
        (
            description,
            # The service has these endpoints itself, so it is looked up late.
            listen_on_shared(reactor, description, socket, given["number"], loads, lambda: len(service.site.channels)),
        )
        for description, socket in zip((*settings.listen, *settings.operator_listen), given["sockets"], strict=True)
    ]
    store = WorkerPolicyStore(shown_path(path_of(settings)), channel)
    try:
        initial = read_initial(settings, store)
        access = make_access(settings, reactor, None if given["kept"] is None else KeptText(given["kept"]))
    except (InvalidPolicies, InvalidAccess) as invalid:
        sys.exit(invalid.report())
    service = DecisionService(
        settings,
        store,
        initial,
        endpoints[: len(settings.listen)],
        reactor,
        for_operators=endpoints[len(settings.listen) :],
        access=access,
        site_class=WorkerSite,
        warns=given["number"] == 1,
    )
    worker = Worker(
        reactor,
        given["number"],
        given["workers"],
        channel=channel,
        store=store,
        loads=loads,
        policies=service.policies,
        reload=service.reload,
        site=service.site,
        acceptors=lambda: [port for server in service.servers for port in server.ports if isinstance(port, Acceptor)],
    )
    service.tree.status.worker, service.tree.status.workers = worker.number, worker.workers
    worker.setServiceParent(service)
    channel.send(Begun())
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


if __name__ == "__main__":
    main()
