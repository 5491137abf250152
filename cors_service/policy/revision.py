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
        return _revision(self._policies, self._sets, self._header_sets)

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
        return _revision(self._policies, self._sets, self._header_sets)


class _Pages:
    """Digests in the order of their names, by the page: of 100,000, only pages that change are written again."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        names = sorted(digests)
        self._pages = [
            {name: digests[name] for name in names[begin : begin + _PAGE]} for begin in range(0, len(names), _PAGE)
        ] or [{}]
        # The least name that each page can have, but for the first, which has whatever is less than that of the second.
        self._firsts = [min(page, default="") for page in self._pages]
        self._written: list[bytes | None] = [None] * len(self._pages)

    def put(self, name: str, digest: str) -> None:
        """Keep the digest of a name, in place of any other."""
        number = self._number(name)
        page = self._pages[number]
        is_new = name not in page
        page[name] = digest
        if is_new:
            self._replace(number, dict(sorted(page.items())))

    def remove(self, name: str) -> None:
        """Keep no digest of a name, if there is one."""
        self._pages[self._number(name)].pop(name, None)

    def written(self) -> Iterator[bytes]:
        """Give what JSON has between the braces, in pieces."""
        separator = b""
        for number, page in enumerate(self._pages):
            written = self._written[number]
            if written is None:
                written = self._written[number] = msgspec.json.encode(page)[1:-1]
            if written:
                yield separator
                yield written
                separator = b","

    def _number(self, name: str) -> int:
        """Find the page that a name belongs to, which is about to change."""
        number = max(0, bisect(self._firsts, name) - 1)
        self._written[number] = None
        return number

    def _replace(self, number: int, page: dict[str, str]) -> None:
        """Replace a page by one that is in order, or by two if it is long."""
        parts = [page] if len(page) <= 2 * _PAGE else _Pages(page)._pages
        self._pages[number : number + 1] = parts
        self._firsts[number : number + 1] = [next(iter(part)) for part in parts]
        self._written[number : number + 1] = [None] * len(parts)


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
    return _revision(_Pages(policies), origin_sets, header_sets)


def _revision(policies: _Pages, origin_sets: Mapping[str, str], header_sets: Mapping[str, str]) -> str:
    hashed = hashlib.sha256(b"{")
    if header_sets:  # documents were named before there were any
        hashed.update(b'"header_sets":%b,' % _CANONICAL.encode(header_sets))
    hashed.update(b'"origin_sets":%b,"policies":{' % _CANONICAL.encode(origin_sets))
    for piece in policies.written():
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
