"""Names a policy set by its content; after a change, only the changed parts are hashed again."""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from cors_service.grammar.pattern import OriginPattern, write_pattern
from cors_service.policy.model import Policy, PolicySet

VERSION: Final = 1
"""The version of the document format."""

_CANONICAL: Final = msgspec.json.Encoder(order="sorted")
# How many digests a page has when it is made; it may grow to twice as many.
_PAGE: Final = 500


class Digests:
    """The digests of the parts of a policy set, kept from one revision to the next."""

    def __init__(self) -> None:
        self._policies = _Pages({})
        self._sets: dict[str, str] = {}
        self._header_sets: dict[str, str] = {}

    def revision(self, policy_set: PolicySet) -> str:
        """Name a policy set without unused sets; see `revision_of`."""
        self._policies = _Pages({name: digest_of(policy) for name, policy in policy_set.policies.items()})
        self._sets = {name: digest_of(origins) for name, origins in policy_set.origin_sets.items()}
        self._header_sets = {name: digest_of(names) for name, names in policy_set.header_sets.items()}
        return _revision(self._policies.written(), self._sets, self._header_sets)

    def changed(self, names: Iterable[str], policies: Mapping[str, Policy]) -> str:
        """Name the set that differs from the last one in some policies.

        Args:
            names: The names of these policies, removed ones included.
            policies: All policies that there are now.
        """
        for name in names:
            if name in policies:
                self._policies.put(name, digest_of(policies[name]))
            else:
                self._policies.remove(name)
        return _revision(self._policies.written(), self._sets, self._header_sets)


class _Pages:
    """Digests in the order of their names, by the page: of 100,000, only pages that change are written again."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        self._pages = [dict(digests)]
        # The least name that each page can have.
        self._firsts = [""]
        # What JSON has of each page between the braces; None until it is written.
        self._texts: list[bytes | None] = [None]

    def put(self, name: str, digest: str) -> None:
        """Keep the digest of a name, in place of any other."""
        self._to_be_changed(name)[name] = digest

    def remove(self, name: str) -> None:
        """Keep no digest of a name."""
        self._to_be_changed(name).pop(name, None)

    def written(self) -> Iterator[bytes]:
        """Give what JSON has of all pages between the braces, in pieces."""
        # Backwards, since a page may become several.
        for number in reversed(range(len(self._pages))):
            if self._texts[number] is None:
                self._write(number)
        separator = b""
        for text in filter(None, self._texts):
            yield separator
            yield text
            separator = b","

    def _to_be_changed(self, name: str) -> dict[str, str]:
        """Find the page that a name belongs to."""
        number = bisect(self._firsts, name) - 1
        self._texts[number] = None
        return self._pages[number]

    def _write(self, number: int) -> None:
        """Write a page in the order of its names, as several if it is long."""
        page = self._pages[number]
        names = sorted(page)
        size = _PAGE if len(names) > 2 * _PAGE else 2 * _PAGE
        parts = [{name: page[name] for name in names[begin : begin + size]} for begin in range(0, len(names), size)]
        parts = parts or [{}]
        self._pages[number : number + 1] = parts
        self._firsts[number + 1 : number + 1] = [next(iter(part)) for part in parts[1:]]
        self._texts[number : number + 1] = [msgspec.json.encode(part)[1:-1] for part in parts]


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


def revision_of(policies: dict[str, str], origin_sets: dict[str, str], header_sets: dict[str, str]) -> str:
    """Name a policy set by the digests of its parts.

    It is `sha256:` and the hexadecimal hash of the canonical document, with each part replaced by its digest.

    Args:
        policies: The digest of each policy, by name.
        origin_sets: The digest of each origin set that is used, by name.
        header_sets: The digest of each header set that is used, by name.
    """
    return _revision([memoryview(_CANONICAL.encode(policies))[1:-1]], origin_sets, header_sets)


def _revision(policies: Iterable[bytes | memoryview], origin_sets: dict[str, str], header_sets: dict[str, str]) -> str:
    """The same, of what the canonical document has between the braces of its policies, in pieces."""
    hashed = hashlib.sha256(b"{")
    if header_sets:  # documents were named before there were any
        hashed.update(b'"header_sets":%b,' % _CANONICAL.encode(header_sets))
    hashed.update(b'"origin_sets":%b,"policies":{' % _CANONICAL.encode(origin_sets))
    for piece in policies:
        hashed.update(piece)
    hashed.update(b'},"version":%d}' % VERSION)
    return f"sha256:{hashed.hexdigest()}"


def digest_of(part: Policy | tuple[OriginPattern, ...]) -> str:
    """Hash a policy, an origin set or a header set, in the form that it has in the canonical document.

    Returns:
        The hexadecimal SHA-256 of compact JSON in UTF-8 with sorted keys.
    """
    return _sha256(part.as_dict() if isinstance(part, Policy) else [*map(write_pattern, part)])


def _sha256(value: object) -> str:
    return hashlib.sha256(_CANONICAL.encode(value)).hexdigest()
