"""The service over HTTP: the resource tree, and a server for whoever has none."""

from cors_service.web._limits import Limits, ServerLimits
from cors_service.web._server import DecisionServer
from cors_service.web._site import DecisionSite
from cors_service.web._tree import DecisionTree, decision_resource

__all__ = ["DecisionServer", "DecisionSite", "DecisionTree", "Limits", "ServerLimits", "decision_resource"]
