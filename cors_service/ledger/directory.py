"""A directory of documents as a store: its ledger lies beside them, and people may still edit them by hand.

What somebody changed by hand becomes an entry of the ledger, too: without an author, since nobody knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from zope.interface import implementer

from cors_service.algebra import Comparison, compare
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.appending import appended
from cors_service.ledger.chain import differences, put, revision_by
from cors_service.ledger.definitions import EMPTY
from cors_service.ledger.editing import NotEditable, edited, new_document, read_structure
from cors_service.ledger.edits import Body, Edit, as_document, changing, check_bodies, digests_of
from cors_service.ledger.entry import KINDS, NO_ENTRY, TABLES, Head, Key, Signed
from cors_service.ledger.files import LedgerFiles, Texts, hash_of_text
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import About, Kept, Outdated, Plan, StoreIsWrong, StoreUnavailable
from cors_service.ledger.suites import suites_in
from cors_service.ledger.widening import narrows, witness_of
from cors_service.policy import PolicySet, Source, read_document, revision
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.reading import Documents
from cors_service.reader.sources import is_document_name, look_at, shown_path

FOUND: Final = "The documents as they were found."
BY_HAND: Final = "The documents were changed in the directory."

_BUSY: Final = "Somebody is writing the documents right now; try again in two seconds."
_MOST_PARSED: Final = 64


@implementer(IChangeStore)
class DirectoryStore:
    """A directory of documents, with a ledger beside them.

    Attributes:
        name: The path of the directory, for people.
        kept: What was read or written last; None before anything was read.
    """

    def __init__(
        self, path: Path, limits: ReaderLimits = DEFAULT_LIMITS, *, now: Callable[[], float] = time.time
    ) -> None:
        """Make the store of a directory, before anything is read.

        Args:
            path: The directory.
            limits: What reading may take.
            now: Gives the time, in seconds since 1970.
        """
        self.name = shown_path(path)
        self._path = path
        self._limits = limits
        self._now = now
        self._files = LedgerFiles(path)
        self._documents = Documents(path, limits)
        self.kept: Kept | None = None
        self._has_read = False
        self._parsed: dict[str, tuple[Draft, dict[str, Any]]] = {}

    def read(self) -> Kept:
        """Read what is there now; see `IChangeStore`.

        A document that was written since the last look is taken when the next look finds it at rest.
        """
        with self._available(), self._files.locked():
            self._look()
            head = self._files.head()
            if self.kept is not None and self.kept.head != head:
                # What another process has put into place is at rest.
                self._look()
            self.kept = self._current(head)
        return self.kept

    def body(self, key: Key) -> Body | None:
        """Give a definition as its author wrote it; None if there is none."""
        return self.bodies([key]).get(key)

    def bodies(self, keys: Iterable[Key]) -> dict[Key, Body]:
        """Give definitions as their authors wrote them."""
        found: dict[Key, Body] = {}
        for name, some in self._where(set(keys)):
            structure = self._structure(name, self._drafts[name])
            found |= {key: structure[TABLES[key.kind]][key.name] for key in some}
        return found

    def plan(self, kept: Kept, edits: Sequence[Edit]) -> Plan:
        """Check a change, and prepare it; see `IChangeStore`."""
        if kept.mistakes is not None:
            raise StoreIsWrong(kept.mistakes)
        if self._documents.looks.has_changes:
            raise StoreUnavailable(_BUSY)
        check_bodies(edits)
        # The ledger does not name the others, so they keep their text, too.
        edits = changing(edits, kept.digests)
        with self._available():
            texts, drafts = self._edited(edits)
        policy_set = read_drafts([drafts[name] for name in sorted(drafts)])
        digests = dict(kept.digests)
        some = digests_of(_part(policy_set, {edit.key for edit in edits}))
        for edit in edits:
            digests.pop(edit.key, None)
        digests |= some
        return Plan(
            base=kept,
            policy_set=policy_set,
            revision=revision_by(digests),
            changes=differences({edit.key: kept.digests[edit.key] for edit in edits if edit.key in kept.digests}, some),
            bodies={edit.key: edit.body for edit in edits if edit.body is not None},
            work=texts,
        )

    def commit(self, plan: Plan, about: About) -> Signed:
        """Make a change in one atomic step; see `IChangeStore`."""
        with self._available(), self._files.locked():
            head = self._files.head()
            if head != plan.base.head and head is not None:
                raise Outdated(head)
            for name, (_, before) in plan.work.items():
                if self._hash(name) != before:
                    raise StoreUnavailable(_BUSY)
            signed = self._append(plan.base.head, plan, about, plan.work)
            digests = dict(plan.base.digests)
            for touched in plan.changes:
                put(digests, touched)
            self.kept = Kept(head=signed.head, policy_set=plan.policy_set, digests=digests)
            # What was written is at rest: the second look sees it.
            self._look()
            self._look()
        return signed

    def close(self) -> None:
        """Let go of the directory: nothing of it is held."""

    def entries(self, after: int, most: int) -> list[Signed]:
        """Give entries of the ledger in their order."""
        with self._available():
            return list(self._files.entries(after, most))

    def bodies_at(self, seq: int) -> dict[Key, Body]:
        """Give all definitions as they were after a change; see `IChangeStore`."""
        with self._available():
            written: dict[Key, int] = {}
            found = 0
            for signed in self._files.entries(0, seq):
                found += 1
                for touched in signed.entry.changes:
                    written.pop(touched.key, None)
                    if touched.after is not None:
                        written[touched.key] = signed.entry.seq
            if found != seq or not seq:
                raise LookupError(f"The ledger has no entry {seq}.")
            found_bodies = {number: self._files.bodies(number) for number in set(written.values())}
        return {key: found_bodies[number][key.kind][key.name] for key, number in written.items()}

    def bodies_of_changes(self, last: int) -> Iterator[tuple[int, Mapping[Key, Body | None]]]:
        """Give what the ledger keeps of each change; see `IChangeStore`."""
        for seq in range(1, last + 1):
            with self._available():
                bodies = self._files.bodies(seq)
            yield seq, {Key(kind, name): body for kind in KINDS for name, body in bodies.get(kind, {}).items()}

    def suites(self) -> list[tuple[str, str]]:
        """Give the test suites that lie beside the documents; see `IChangeStore`."""
        with self._available():
            return list(suites_in(self._path))

    @property
    def _drafts(self) -> Mapping[str, Draft]:
        good = self._documents.good
        return {} if good is None else good.documents

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            if self._files.is_pending:
                message = f"The change is made, but its files can't be put into place yet: {why}."
            else:
                message = f"The store can't be used: {why}."
            raise StoreUnavailable(message) from error

    def _look(self) -> None:
        """Look at the documents, and read those that are at rest."""
        with suppress(InvalidPolicies):
            if not self._has_read:
                self._has_read = True
                self._documents.read(everything=True)
            elif self._documents.look():
                self._documents.read()

    def _current(self, head: Head | None) -> Kept:
        """What is there, as the ledger has it: what was changed by hand becomes an entry."""
        good, mistakes = self._documents.good, self._documents.mistakes
        if good is None and mistakes is not None and look_at(self._path, self._limits):
            raise mistakes.with_traceback(None)
        policy_set = EMPTY if good is None else good.policy_set
        now = revision(EMPTY) if good is None else good.revision
        kept = self.kept if self.kept is not None and self.kept.head == head else None
        if head is None:
            return self._adopt(head, None, policy_set)
        if (mistakes is not None and good is not None) or self._documents.looks.has_changes:
            # The newest good documents may be some of the new ones with some of the old.
            before = self._set_at(head) if kept is None else kept.policy_set
            digests = digests_of(before) if kept is None else kept.digests
            return Kept(head=head, policy_set=before, digests=digests, mistakes=mistakes)
        if head.revision == now:
            digests = digests_of(policy_set) if kept is None else kept.digests
            return Kept(head=head, policy_set=policy_set, digests=digests)
        return self._adopt(head, kept, policy_set)

    def _adopt(self, head: Head | None, kept: Kept | None, policy_set: PolicySet) -> Kept:
        """Make an entry of what is there and in no entry."""
        after = digests_of(policy_set)
        if head is None:
            before, comparison = {}, None
        else:
            old = self._set_at(head) if kept is None else kept.policy_set
            before, comparison = digests_of(old), compare(old, policy_set)
        changes = differences(before, after)
        wanted = [touched.key for touched in changes if touched.after is not None]
        plan = Plan(
            base=Kept(head=head or _NOTHING, policy_set=policy_set, digests=before),
            policy_set=policy_set,
            revision=revision_by(after),
            changes=changes,
            bodies=self.bodies(wanted),
            work={},
        )
        signed = self._append(head, plan, _by_hand(head, comparison), {})
        return Kept(head=signed.head, policy_set=policy_set, digests=after)

    def _append(self, head: Head | None, plan: Plan, about: About, texts: Texts) -> Signed:
        signed = appended(head, plan, about, self._now())
        bodies: dict[str, dict[str, Any]] = {}
        for touched in plan.changes:
            if touched.after is not None:
                bodies.setdefault(touched.kind, {})[touched.name] = plan.bodies[touched.key]
        self._files.stage(signed, bodies, texts)
        self._files.commit()
        return signed

    def _set_at(self, head: Head) -> PolicySet:
        """The policies of a head, out of the ledger."""
        try:
            bodies = self.bodies_at(head.seq)
            return read_document(as_document(bodies)) if bodies else EMPTY
        except (LookupError, InvalidPolicies) as error:
            raise ValueError(
                f"the ledger does not have the policies of {head.seq}: run `cors-service ledger verify`"
            ) from error

    def _edited(self, edits: Sequence[Edit]) -> tuple[Texts, dict[str, Draft]]:
        """Edit the documents that define what is edited."""
        drafts = dict(self._drafts)
        texts: dict[str, tuple[bytes | None, str | None]] = {}
        for name, some in self._homes(edits).items():
            old = drafts.get(name)
            text = new_document(some) if old is None else self._edit(name, old, some)
            texts[name] = None if text is None else text.encode(), self._hash(name)
            if text is None:
                del drafts[name]
            else:
                form = "json" if name.endswith(".json") else "toml"
                drafts[name] = Draft(Source(shown_path(f"{self._path}/{name}"), form, text))
        return texts, drafts

    def _edit(self, name: str, draft: Draft, edits: Sequence[Edit]) -> str | None:
        if (self._path / name).is_symlink():
            raise StoreUnavailable(f"{name} is a link: edit what it leads to by hand.")
        assert draft.source is not None
        try:
            return edited(draft.source, edits)
        except NotEditable as error:
            raise StoreUnavailable(f"{name} can't be edited. {error}") from None

    def _homes(self, edits: Sequence[Edit]) -> dict[str, list[Edit]]:
        """Which edits belong into which document: what is new gets one of its own."""
        wanted = {edit.key: edit for edit in edits}
        homes: dict[str, list[Edit]] = {}
        found: set[Key] = set()
        for name, here in self._where(wanted.keys()):
            homes[name] = [wanted[key] for key in here]
            found.update(here)
        new = [edit for edit in edits if edit.key not in found and edit.body is not None]
        policies = [edit for edit in new if edit.key.kind == "policy"]
        taken = {*self._drafts, *look_at(self._path, self._limits)}
        for edit in policies:
            name = _name_for(edit.key, taken)
            taken.add(name)
            # A set that came with it, and that it uses, stands beside it.
            beside = [one for one in new if one.key.kind != "policy" and _uses(edit, one.key)]
            new = [one for one in new if one not in beside]
            homes[name] = [*beside, edit]
        for edit in new:
            if edit.key.kind != "policy":
                name = _name_for(edit.key, taken)
                taken.add(name)
                homes[name] = [edit]
        return homes

    def _where(self, keys: Collection[Key]) -> Iterator[tuple[str, list[Key]]]:
        """Give the documents that define something of this, and what."""
        policies = {key.name for key in keys if key.kind == "policy"}
        sets = {(TABLES[key.kind], key.name) for key in keys if key.kind != "policy"}
        for name, draft in self._drafts.items():
            if not (policies.isdisjoint(draft.policies) and sets.isdisjoint(draft.sets)):
                yield name, [key for key in _keys(draft) if key in keys]

    def _structure(self, name: str, draft: Draft) -> dict[str, Any]:
        known = self._parsed.get(name)
        if known is None or known[0] is not draft:
            assert draft.source is not None
            known = draft, read_structure(draft.source)
            if len(self._parsed) >= _MOST_PARSED:
                del self._parsed[next(iter(self._parsed))]
            self._parsed[name] = known
        return known[1]

    def _hash(self, name: str) -> str | None:
        """Hash a document as it is now; None if there is none."""
        path = self._path / name
        return hash_of_text(path.read_bytes()) if path.exists() else None


_NOTHING: Final = Head(seq=0, revision=revision(EMPTY), entry=NO_ENTRY, format=1, at="")


def _by_hand(head: Head | None, comparison: Comparison | None) -> About:
    return About(
        author=None,
        reason=FOUND if head is None else BY_HAND,
        request_id="",
        wider=comparison is None or comparison.is_wider,
        narrower=comparison is not None and narrows(comparison),
        witness=None if comparison is None else witness_of(comparison),
    )


def _keys(draft: Draft) -> Iterator[Key]:
    yield from (Key("policy", name) for name in draft.policies)
    yield from (Key("origin-set", name) for name in draft.origin_sets)
    yield from (Key("header-set", name) for name in draft.header_sets)


def _part(policy_set: PolicySet, keys: Iterable[Key]) -> PolicySet:
    """Some definitions of a set."""
    wanted = set(keys)
    return PolicySet.of(
        [policy for name, policy in policy_set.policies.items() if Key("policy", name) in wanted],
        {name: one for name, one in policy_set.origin_sets.items() if Key("origin-set", name) in wanted},
        {name: one for name, one in policy_set.header_sets.items() if Key("header-set", name) in wanted},
    )


def _uses(edit: Edit, key: Key) -> bool:
    return f'"@{key.name}"' in str(edit.body).replace("'", '"')


def _name_for(key: Key, taken: set[str]) -> str:
    """A name for the document of something new, which nothing has yet, nor anything that differs in its case."""
    lower = {name.lower() for name in taken}
    first = key.name if key.kind == "policy" else f"{key.kind}-{key.name}"
    names = [first, *(f"{first}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for one in names if is_document_name(name := f"{one}.toml") and name.lower() not in lower)
