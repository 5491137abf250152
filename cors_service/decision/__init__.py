"""From a query to a decision. Pure: no Twisted, no I/O, no clock, no logging."""

from cors_service.decision.active import ActivePolicies
from cors_service.decision.decision import Decision, GuardVerdict, Reason
from cors_service.decision.query import BadQuery, Circumstances, Query

__all__ = ["ActivePolicies", "BadQuery", "Circumstances", "Decision", "GuardVerdict", "Query", "Reason"]
