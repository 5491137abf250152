"""From a query to a decision. Pure: no Twisted, no I/O, no clock, no logging."""

from cors_service.decision.active import ActivePolicies
from cors_service.decision.decision import Decision, Reason
from cors_service.decision.query import BadQuery, Query

__all__ = ["ActivePolicies", "BadQuery", "Decision", "Query", "Reason"]
