"""Where policies come from, and the one place that holds the active ones."""

from cors_service.store._files import FilePolicyStore
from cors_service.store._interfaces import IPolicies, IPolicyStore
from cors_service.store._live import LivePolicies
from cors_service.store._memory import FixedPolicies, MemoryPolicyStore
from cors_service.store._process import ReaderPolicyStore
from cors_service.store._status import Status

__all__ = [
    "FilePolicyStore",
    "FixedPolicies",
    "IPolicies",
    "IPolicyStore",
    "LivePolicies",
    "MemoryPolicyStore",
    "ReaderPolicyStore",
    "Status",
]
