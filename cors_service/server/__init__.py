"""The HTTP server beneath a resource tree that runs alone: reads strictly, within limits, and stops without loss."""

from cors_service.server.channel import DecisionChannel
from cors_service.server.limits import ServerLimits
from cors_service.server.quick import QuickChannel
from cors_service.server.server import CannotServe, DecisionServer, Listener
from cors_service.server.site import DecisionSite

__all__ = [
    "CannotServe",
    "DecisionChannel",
    "DecisionServer",
    "DecisionSite",
    "Listener",
    "QuickChannel",
    "ServerLimits",
]
