"""The service over HTTP: the resource tree, and a server for whoever has none."""

from cors_service.web._channel import DecisionChannel
from cors_service.web._limits import Limits, ServerLimits
from cors_service.web._quick import QuickChannel
from cors_service.web._server import CannotServe, DecisionServer, Listener
from cors_service.web._site import DecisionSite
from cors_service.web._tree import DecisionTree, decision_resource
from cors_service.web._workers import WorkerStatus

__all__ = [
    "CannotServe",
    "DecisionChannel",
    "DecisionServer",
    "DecisionSite",
    "DecisionTree",
    "Limits",
    "Listener",
    "QuickChannel",
    "ServerLimits",
    "WorkerStatus",
    "decision_resource",
]
