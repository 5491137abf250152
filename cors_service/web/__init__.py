"""The service over HTTP: the resource tree."""

from cors_service.limits import Limits
from cors_service.web._operators import OperatorTree
from cors_service.web._tree import DecisionTree, decision_resource
from cors_service.web.hosts import Hosts

__all__ = ["DecisionTree", "Hosts", "Limits", "OperatorTree", "decision_resource"]
