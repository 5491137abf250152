"""From a query to a decision. Pure: no Twisted, no I/O, no clock, no logging."""

from cors_service.decision._decide import ActivePolicies
from cors_service.decision._decision import REASONS, Decision, Reason
from cors_service.decision._memo import Memo
from cors_service.decision._query import BadQuery, Query

__all__ = ["REASONS", "ActivePolicies", "BadQuery", "Decision", "Memo", "Query", "Reason"]
