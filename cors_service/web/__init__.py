"""The service over HTTP: the resource tree."""

from cors_service.web._operators import OperatorTree
from cors_service.web._tree import DecisionTree, decision_resource
from cors_service.web.hosts import Hosts
from cors_service.web.limits import Limits

__all__ = ["DecisionTree", "Hosts", "Limits", "OperatorTree", "decision_resource"]
