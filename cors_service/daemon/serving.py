"""The service of a worker, which serves until the supervisor tells it to end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cors_service.access import InvalidAccess
from cors_service.daemon.access import KeptText
from cors_service.daemon.decision_log import make_tally
from cors_service.daemon.service import DecisionService
from cors_service.daemon.settings import Settings
from cors_service.daemon.start import make_access, read_initial, source_of
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.observe.sights import Sights, write_sights
from cors_service.observe.table import Table
from cors_service.observe.tally import NoTally
from cors_service.reader.messages import Begun
from cors_service.store.reader_client import name_of
from cors_service.workers.channel import Channel
from cors_service.workers.loads import Loads
from cors_service.workers.sockets import Acceptor, listen_on_shared
from cors_service.workers.store import WorkerPolicyStore
from cors_service.workers.worker import Worker


def serve(settings: Settings, given: dict[str, Any], channel: Channel, reactor: Any) -> None:
    """Make the service of a worker, and run the reactor until it ends.

    Args:
        settings: The settings of the supervisor.
        given: What the supervisor made for the worker: its number and its descriptors.
        channel: Leads to the supervisor.
        reactor: The reactor.
    """
    loads = Loads(given["loads"], given["workers"])
    sockets = iter(given["sockets"])
    endpoints = {
        option: [
            (
                description,
                # The service has these endpoints itself, so it is looked up late.
                listen_on_shared(
                    reactor, description, next(sockets), given["number"], loads, lambda: len(service.site.channels)
                ),
            )
            for description in described
        ]
        for option, described in settings.listeners.items()
    }
    source = source_of(settings)
    store = WorkerPolicyStore(name_of(source), channel, is_followed=not isinstance(source, Path))
    try:
        initial = read_initial(settings, store)
        access = make_access(settings, reactor, None if given["kept"] is None else KeptText(given["kept"]))
    except (InvalidPolicies, InvalidAccess) as invalid:
        sys.exit(invalid.report())
    sights = Sights(reactor.seconds)
    service = DecisionService(
        settings,
        store,
        initial,
        endpoints,
        reactor,
        access=access,
        warns=given["number"] == 1,
        tally=NoTally() if given["counts"] is None else make_tally(settings, Table(given["counts"]), sights),
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
        sights=lambda: write_sights(taken) if (taken := sights.take()) else None,
    )
    if not settings.no_metrics:
        service.tree.metrics.measure = worker.measure
    service.tree.status.worker, service.tree.status.workers = worker.number, worker.workers
    service.tree.status.log = lambda: worker.log
    worker.setServiceParent(service)
    channel.send(Begun())
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    worker.tell_sights()
    if worker.has_failed:
        sys.exit(1)
