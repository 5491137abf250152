"""What stores of definitions have in common: each definition is read once, and all are checked together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import structs

from cors_service.ledger.appending import appended
from cors_service.ledger.chain import Digests, differences, revision_by
from cors_service.ledger.edits import Body, Edit, digests_of
from cors_service.ledger.entry import NO_ENTRY, TABLES, Head, Key, Signed
from cors_service.ledger.kept import About, Kept, Plan, StoreIsWrong
from cors_service.policy import PolicySet
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.policy.revision import digest_of
from cors_service.policy.tables import Tables

EMPTY: Final = PolicySet.of((), {}, {})
"""What a store has before anything is written."""


BEGUN: Final = "The store was made."


class Definitions:
    """Definitions without mistakes. They stay as they are: a change makes others, which share what did not change.

    Attributes:
        policy_set: What they define.
        revision: Its revision.
        digests: The digest of each.
        drafts: Each of them, read by itself.
    """

    __slots__ = ("_tables", "digests", "drafts", "policy_set", "revision")

    def __init__(
        self, policy_set: PolicySet, digests: Digests, drafts: Mapping[Key, Draft], tables: Tables | None = None
    ) -> None:
        """Keep what was read; `of` and `changed` read."""
        self.policy_set = policy_set
        self.digests = digests
        self.drafts = drafts
        self.revision = revision_by(digests)
        self._tables = tables

    @classmethod
    def of(cls, bodies: Mapping[Key, Body]) -> Definitions:
        """Read definitions.

        Args:
            bodies: All that there are.

        Raises:
            InvalidPolicies: With every mistake.
        """
        drafts = {key: draft_of(key, bodies[key]) for key in sorted(bodies)}
        policy_set = read_drafts(list(drafts.values()))
        return cls(policy_set, digests_of(policy_set), drafts)

    def changed(self, bodies: Mapping[Key, Body | None]) -> Definitions:
        """Replace some definitions: what it costs is mostly what these do.

        Args:
            bodies: The new ones; None for one that is removed.

        Returns:
            All definitions as they are then.

        Raises:
            InvalidPolicies: With every mistake that they have then.
        """
        new = {key: draft_of(key, body) for key, body in bodies.items() if body is not None}
        drafts = dict(self.drafts)
        old = [drafts.pop(key) for key in bodies if key in drafts]
        drafts |= new
        if self._tables is None:
            self._tables = Tables(self.policy_set, self.drafts.values())
        tables = self._tables.copy()
        if tables.replace(old, list(new.values())) is None:
            policy_set = read_drafts([drafts[key] for key in sorted(drafts)])
            return Definitions(policy_set, self._digests_after(bodies, policy_set), drafts)
        policy_set = structs.replace(self.policy_set, policies=MappingProxyType(tables.policies))
        return Definitions(policy_set, self._digests_after(bodies, policy_set), drafts, tables)

    def _digests_after(self, keys: Iterable[Key], policy_set: PolicySet) -> Digests:
        digests = dict(self.digests)
        for key in keys:
            digest = _digest_in(policy_set, key)
            if digest is None:
                digests.pop(key, None)
            else:
                digests[key] = digest
        return digests


NOTHING: Final = Definitions(EMPTY, {}, {})
"""What is read where there is nothing."""
_NO_HEAD: Final = Head(seq=0, revision=NOTHING.revision, entry=NO_ENTRY, format=1, at="")


def begun(seconds: float) -> Signed:
    """Make the entry with which a ledger begins where there are no policies yet.

    Args:
        seconds: When it is made, since 1970.
    """
    plan = Plan(
        base=Kept(head=_NO_HEAD, policy_set=EMPTY, digests={}),
        policy_set=EMPTY,
        revision=NOTHING.revision,
        changes=(),
        bodies={},
        work=NOTHING,
    )
    about = About(author=None, reason=BEGUN, request_id="", wider=False, narrower=False)
    return appended(None, plan, about, seconds)


def draft_of(key: Key, body: Body) -> Draft:
    """Read one definition by itself; places of mistakes begin with its table and its name."""
    return Draft(None, {"version": 1, TABLES[key.kind]: {key.name: body}})


class DefinitionStore:
    """What stores of definitions do alike; see `IChangeStore`.

    Attributes:
        kept: What was read or written last; None before anything was read.
        definitions: The same, read.
        written: The same, as its authors wrote it: the JSON of each definition.
    """

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.kept: Kept | None = None
        self.definitions = NOTHING
        self.written: dict[Key, bytes] = {}

    def body(self, key: Key) -> Body | None:
        """Give a definition as its author wrote it; None if there is none."""
        return self.bodies([key]).get(key)

    def bodies(self, keys: Iterable[Key]) -> dict[Key, Body]:
        """Give definitions as their authors wrote them."""
        return {key: msgspec.json.decode(self.written[key]) for key in keys if key in self.written}

    def suites(self) -> list[tuple[str, str]]:
        """Give no test suite: these stores keep none."""
        return []

    def plan(self, kept: Kept, edits: Sequence[Edit]) -> Plan:
        """Check a change; its work is the definitions that it leads to."""
        if kept.mistakes is not None:
            raise StoreIsWrong(kept.mistakes)
        keys = [edit.key for edit in edits]
        after = self.definitions.changed({edit.key: edit.body for edit in edits})
        return Plan(
            base=kept,
            policy_set=after.policy_set,
            revision=after.revision,
            changes=differences(_some(kept.digests, keys), _some(after.digests, keys)),
            bodies={edit.key: edit.body for edit in edits if edit.body is not None},
            work=after,
        )


def _some(digests: Digests, keys: Iterable[Key]) -> Digests:
    return {key: digests[key] for key in keys if key in digests}


def _digest_in(policy_set: PolicySet, key: Key) -> str | None:
    match key.kind:
        case "policy":
            policy = policy_set.policies.get(key.name)
            return None if policy is None else digest_of(policy)
        case "origin-set":
            origins = policy_set.origin_sets.get(key.name)
            return None if origins is None else digest_of(origins)
        case "header-set":
            names = policy_set.header_sets.get(key.name)
            return None if names is None else digest_of(names)
