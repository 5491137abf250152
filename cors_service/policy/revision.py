"""Names a policy set by its content; after a change, only the changed parts are hashed again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from cors_service.grammar.pattern import OriginPattern, write_pattern
from cors_service.policy.model import Policy, PolicySet

VERSION: Final = 1
"""The version of the document format."""

_CANONICAL: Final = msgspec.json.Encoder(order="sorted")


class Digests:
    """The digests of the parts of a policy set, kept from one revision to the next."""

    def __init__(self) -> None:
        self._policies: dict[str, str] = {}
        self._sets: dict[str, str] = {}
        self._header_sets: dict[str, str] = {}

    def revision(self, policy_set: PolicySet) -> str:
        """Name a policy set without unused sets; see `revision_of`."""
        self._policies = _in_order({name: digest_of(policy) for name, policy in policy_set.policies.items()})
        self._sets = _in_order({name: digest_of(origins) for name, origins in policy_set.origin_sets.items()})
        self._header_sets = _in_order({name: digest_of(names) for name, names in policy_set.header_sets.items()})
        return _revision(self._policies, self._sets, self._header_sets)

    def changed(self, names: Iterable[str], policies: Mapping[str, Policy]) -> str:
        """Name the set that differs from the last one in some policies.

        Args:
            names: The names of these policies, removed ones included.
            policies: All policies that there are now.
        """
        is_in_order = True
        for name in names:
            if name in policies:
                is_in_order = is_in_order and name in self._policies
                self._policies[name] = digest_of(policies[name])
            else:
                self._policies.pop(name, None)
        if not is_in_order:
            self._policies = _in_order(self._policies)
        return _revision(self._policies, self._sets, self._header_sets)


def revision(policy_set: PolicySet) -> str:
    """Name a policy set by its content: see `revision_of`."""
    policies = policy_set.policies.values()
    used: set[str] = set().union(*(policy.uses for policy in policies))
    used_headers: set[str] = (
        set().union(*(policy.uses_headers for policy in policies)) if policy_set.header_sets else set()
    )
    return revision_of(
        {name: digest_of(policy) for name, policy in policy_set.policies.items()},
        {name: digest_of(origins) for name, origins in policy_set.origin_sets.items() if name in used},
        {name: digest_of(names) for name, names in policy_set.header_sets.items() if name in used_headers},
    )


def revision_of(policies: Mapping[str, str], origin_sets: Mapping[str, str], header_sets: Mapping[str, str]) -> str:
    """Name a policy set by the digests of its parts.

    It is `sha256:` and the hexadecimal hash of the canonical document, with each part replaced by its digest.

    Args:
        policies: The digest of each policy, by name.
        origin_sets: The digest of each origin set that is used, by name.
        header_sets: The digest of each header set that is used, by name.
    """
    return _revision(_in_order(policies), _in_order(origin_sets), _in_order(header_sets))


def _revision(policies: dict[str, str], origin_sets: dict[str, str], header_sets: dict[str, str]) -> str:
    """The same of digests that are in the order of their names, which the encoder need not sort."""
    document: dict[str, object] = {"origin_sets": origin_sets, "policies": policies, "version": VERSION}
    if header_sets:  # documents were named before there were any
        document = {"header_sets": header_sets, **document}
    return f"sha256:{hashlib.sha256(msgspec.json.encode(document)).hexdigest()}"


def digest_of(part: Policy | tuple[OriginPattern, ...]) -> str:
    """Hash a policy, an origin set or a header set, in the form that it has in the canonical document.

    Returns:
        The hexadecimal SHA-256 of compact JSON in UTF-8 with sorted keys.
    """
    return _sha256(part.as_dict() if isinstance(part, Policy) else [*map(write_pattern, part)])


def _in_order(digests: Mapping[str, str]) -> dict[str, str]:
    names = sorted(digests)
    return digests if isinstance(digests, dict) and list(digests) == names else {name: digests[name] for name in names}


def _sha256(value: object) -> str:
    return hashlib.sha256(_CANONICAL.encode(value)).hexdigest()
