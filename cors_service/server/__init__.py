"""The HTTP server beneath a resource tree that runs alone: reads strictly, within limits, and stops without loss."""

from cors_service.limits import ServerLimits
from cors_service.server.server import DecisionServer
from cors_service.server.site import DecisionSite

__all__ = ["DecisionServer", "DecisionSite", "ServerLimits"]
