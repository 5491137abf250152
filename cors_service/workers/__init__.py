"""One listening socket served by several processes: a supervisor, and what a worker needs."""

from cors_service.workers._crew import Crew, last_good
from cors_service.workers._lines import Pipe
from cors_service.workers._loads import Loads
from cors_service.workers._log import WorkerLog
from cors_service.workers._site import WorkerSite
from cors_service.workers._sockets import Acceptor, SharedSocket, listen_on_shared
from cors_service.workers._supervisor import Supervisor

__all__ = [
    "Acceptor",
    "Crew",
    "Loads",
    "Pipe",
    "SharedSocket",
    "Supervisor",
    "WorkerLog",
    "WorkerSite",
    "last_good",
    "listen_on_shared",
]
