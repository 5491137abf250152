"""The main program of a worker: one of several processes that serve, started by a supervisor."""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module

from cors_service.daemon.settings import Settings
from cors_service.daemon.tls import imports_for


def main() -> None:
    """Serve until the supervisor tells the worker to end, or is gone itself."""
    settings, given = Settings.from_json(sys.argv[1]), json.loads(sys.argv[2])
    # Terminals and people send these to all processes of the service; the supervisor then says what is to be done.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Processes that the worker starts must not hold any of these open.
    counts = [] if given["counts"] is None else [given["counts"]]
    for descriptor in (given["says"], given["loads"], *counts, *given["sockets"]):
        os.set_inheritable(descriptor, False)
    with imports_for(settings):
        import_module(given["reactor"]).install()
        from twisted.internet import reactor
        from twisted.logger import globalLogBeginner

        from cors_service.daemon.clock import keep_timers
        from cors_service.daemon.serving import serve
        from cors_service.workers.channel import Channel
        from cors_service.workers.log import WorkerLog
    keep_timers(reactor)
    channel = Channel(given["hears"], given["says"])
    globalLogBeginner.beginLoggingTo([WorkerLog(channel)], redirectStandardIO=False)
    serve(settings, given, channel, reactor)


if __name__ == "__main__":
    main()
