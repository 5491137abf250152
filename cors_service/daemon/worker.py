"""One of several processes that serve; a supervisor starts it."""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from typing import Any, TextIO, cast

from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import globalLogBeginner

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.tap import DecisionService, Initial, Options
from cors_service.workers import Acceptor, Crew, Loads, Pipe, WorkerLog, WorkerSite, last_good, listen_on_shared


def main() -> None:
    """Serve until the supervisor says that it is enough, or is gone."""
    *arguments, text = sys.argv[1:]
    given = json.loads(text)
    # A terminal sends it to all its processes, and the supervisor then says what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is started from here is to hold none of it open.
    for descriptor in (given["says"], given["loads"], *given["sockets"]):
        os.set_inheritable(descriptor, False)
    import_module(given["reactor"]).install()
    from twisted.internet import reactor

    pipe = Pipe(given["says"])
    globalLogBeginner.beginLoggingTo([WorkerLog(pipe)], redirectStandardIO=False)
    options = WorkerOptions(given, pipe)
    options.parseOptions(arguments)
    service = DecisionService(options, WorkerSite)
    options.service = service
    crew = Crew(
        reactor,
        given["number"],
        given["workers"],
        hears=given["hears"],
        pipe=pipe,
        loads=options.loads,
        policies=service.policies,
        site=service.site,
        acceptors=lambda: [port for port in service.server.ports if isinstance(port, Acceptor)],
    )
    service.tree.status.crew = crew
    crew.setServiceParent(service)
    core = cast(Any, reactor)
    pipe.say("begins")
    service.privilegedStartService()
    service.startService()
    core.addSystemEventTrigger("before", "shutdown", service.stopService)
    core.run()


class WorkerOptions(Options):
    """The options of a worker: those of the service, but what the supervisor has opened is not opened again.

    Attributes:
        loads: The numbers of connections.
        service: What comes of the options.
    """

    service: DecisionService

    def __init__(self, given: dict[str, Any], pipe: Pipe) -> None:
        """Make options without values.

        Args:
            given: What the supervisor gave to the worker.
            pipe: Where to say something to it.
        """
        super().__init__()
        self.loads = Loads(given["loads"], given["workers"])
        self._given = given
        self._pipe = pipe

    def _endpoint(self, number: int, description: str) -> IStreamServerEndpoint:
        from twisted.internet import reactor

        return listen_on_shared(
            reactor,
            description,
            self._given["sockets"][number],
            self._given["number"],
            self.loads,
            lambda: len(self.service.site.channels),
        )

    def _read_snapshot(self, invalid: InvalidPolicies) -> Initial | None:
        """Take what the other workers decide by: nobody is here to be told of mistakes, as at the start."""
        kept = last_good(self._pipe, self._given["hears"])
        return super()._read_snapshot(invalid) if kept is None else (*kept, invalid)

    def _open_log(self, name: str) -> TextIO | None:
        return None if name == "json-log" else super()._open_log(name)


if __name__ == "__main__":
    main()
