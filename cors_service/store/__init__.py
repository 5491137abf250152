"""Where policies come from, and the one place that holds those that are active."""

from cors_service.store._files import FilePolicyStore, read_policies
from cors_service.store._interfaces import IPolicies, IPolicyStore
from cors_service.store._live import LivePolicies
from cors_service.store._memory import FixedPolicies, MemoryPolicyStore
from cors_service.store._snapshot import Snapshot
from cors_service.store._status import Status

__all__ = [
    "FilePolicyStore",
    "FixedPolicies",
    "IPolicies",
    "IPolicyStore",
    "LivePolicies",
    "MemoryPolicyStore",
    "Snapshot",
    "Status",
    "read_policies",
]
