"""Etcd as the admin process writes it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import structs
from zope.interface import implementer

from cors_service.etcd.address import read_address
from cors_service.etcd.gateway import Gateway
from cors_service.etcd.keys import Keys, read_entry, read_record
from cors_service.etcd.reading import At, Reading, read_bodies
from cors_service.etcd.writing import Writing
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.appending import appended
from cors_service.ledger.definitions import NOTHING, Definitions, DefinitionStore
from cors_service.ledger.edits import Body
from cors_service.ledger.entry import NO_ENTRY, Head, Key, Signed, canonical
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import About, Kept, Outdated, Plan, StoreUnavailable
from cors_service.ledger.memory import put_bodies
from cors_service.ledger.source import Step

NO_CHANGE: Final = Head(seq=0, revision=NOTHING.revision, entry=NO_ENTRY, format=1, at="")
"""The head of a store in which nothing was written yet."""


@implementer(IChangeStore)
class EtcdStore(DefinitionStore):
    """A store in etcd."""

    def __init__(self, url: str, *, now: Callable[[], float] = time.time) -> None:
        """Make it; nothing is asked yet.

        Args:
            url: Where it is.
            now: Gives the time, in seconds since 1970.

        Raises:
            NoSuchStore: The URL names no store in etcd.
        """
        super().__init__()
        address = read_address(url)
        self.name = address.name
        keys = Keys(address.prefix)
        gateway = Gateway(address)
        self._gateway = gateway
        self._reading = Reading(gateway, keys)
        self._writing = Writing(gateway, keys, self._reading)
        self._now = now

    def read(self) -> Kept:
        """Read what is there now; see `IChangeStore`."""
        kept = self.kept
        at, steps = self._reading.since(kept.head) if kept is not None and kept.head.seq else (None, None)
        if at is None or steps is None or not self._follow(at, steps):
            self._read_all()
        assert self.kept is not None
        return self.kept

    def commit(self, plan: Plan, about: About) -> Signed:
        """Make a change in one atomic step; see `IChangeStore`."""
        at = self._reading.at()
        head = at.head or NO_CHANGE
        if head != plan.base.head:
            raise Outdated(head)
        signed = appended(at.head, plan, about, self._now())
        bodies = {one.key: plan.bodies[one.key] for one in plan.changes if one.after is not None}
        self._writing.commit(at, signed, bodies)
        self._put(Step(signed, bodies))
        self._keep(signed.head, plan.work)
        return signed

    def entries(self, after: int, most: int) -> list[Signed]:
        """Give entries of the ledger in their order."""
        return [read_entry(record) for record in self._reading.changes(after, most)]

    def bodies_at(self, seq: int) -> dict[Key, Body]:
        """Give all definitions as they were after a change; see `IChangeStore`."""
        bodies: dict[Key, Body] = {}
        found = 0
        for record in self._reading.changes(0, seq):
            put_bodies(bodies, read_record(record).step)
            found += 1
        if found != seq or not seq:
            raise LookupError(f"The ledger has no entry {seq}.")
        return bodies

    def bodies_of_changes(self, last: int) -> Iterator[tuple[int, Mapping[Key, Body | None]]]:
        """Give what the ledger keeps of each change; see `IChangeStore`."""
        for record in self._reading.changes(0, last):
            step = read_record(record).step
            yield step.signed.entry.seq, step.bodies

    def close(self) -> None:
        """Close the connection."""
        self._gateway.close()

    def _follow(self, at: At, steps: Sequence[Step]) -> bool:
        """Take what others have changed meanwhile; False if that does not lead to what the head names."""
        if not steps:
            return True
        if self.kept is not None and self.kept.mistakes is not None:
            return False
        bodies: dict[Key, Body | None] = {}
        for step in steps:
            bodies |= {one.key: step.bodies.get(one.key) for one in step.signed.entry.changes}
        try:
            definitions = self.definitions.changed(bodies)
        except InvalidPolicies:
            return False
        assert at.head is not None
        if definitions.revision != at.head.revision:
            return False
        for step in steps:
            self._put(step)
        self._keep(at.head, definitions)
        return True

    def _read_all(self) -> None:
        at, written = self._reading.definitions()
        head = at.head or NO_CHANGE
        try:
            definitions = Definitions.of(read_bodies(self.name, written)) if written else NOTHING
        except InvalidPolicies as invalid:
            if self.kept is None:
                raise
            self.kept = structs.replace(self.kept, head=head, mistakes=invalid)
            return
        if definitions.revision != head.revision:
            how = "`cors-service store init URL` puts it back"
            message = f"Somebody has changed what {self.name} has, without an entry in the ledger: {how}."
            raise StoreUnavailable(message, "store-revision-differs")
        self.written = written
        self._keep(head, definitions)

    def _keep(self, head: Head, definitions: Definitions) -> None:
        self.definitions = definitions
        self.kept = Kept(head=head, policy_set=definitions.policy_set, digests=definitions.digests)

    def _put(self, step: Step) -> None:
        """Follow a change."""
        written = dict(self.written)
        for touched in step.signed.entry.changes:
            if touched.after is None:
                written.pop(touched.key, None)
            else:
                written[touched.key] = canonical(step.bodies[touched.key])
        self.written = written
