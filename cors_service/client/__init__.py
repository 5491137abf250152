"""Asks a decision service from a Twisted program."""

from cors_service.client._client import DecisionClient
from cors_service.client._decider import Decider
from cors_service.client._interfaces import IDecider
from cors_service.client._tls import ClientTLS

__all__ = ["ClientTLS", "Decider", "DecisionClient", "IDecider"]
