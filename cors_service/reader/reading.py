"""Policies in documents; only documents that changed are read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import structs

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError, without_userinfo
from cors_service.policy import PolicySet, Source
from cors_service.policy.assembly import Assembly
from cors_service.policy.change import Behind, Change
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.reader.good import GoodSet
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.looking import Looks
from cors_service.reader.policies import Policies
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import (
    TakesTooMuch,
    document_names,
    read_text,
    shown_path,
    unreadable,
    within_limits,
)

RETRY_SECONDS: Final = 10.0
"""The least time until documents that could not be read are tried again."""
# So many times as long as a try took, the next one waits at least.
_REST: Final = 20
_MOST_BEHIND: Final = 1000


class Documents(Policies):
    """A file or a directory of documents, which remembers what it has read of each.

    Attributes:
        looks: Finds out what is due to be read.
    """

    def __init__(
        self,
        path: Path,
        limits: ReaderLimits = DEFAULT_LIMITS,
        *,
        working: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the documents of a file or directory, before anything is read.

        Args:
            path: The file or directory.
            limits: What reading may take.
            working: Is called before each document: reading many takes long.
            clock: Gives the time, in seconds.
        """
        super().__init__()
        self._path = path
        self._limits = limits
        self._working = working
        self._clock = clock
        # The names of documents that could not be read, and when to try them again.
        self._unreadable: set[str] = set()
        self._next_try = 0.0
        self.looks = Looks(path, limits)
        self._assembly = Assembly()
        self._has_changed = True
        # When each document was found to be behind.
        self._since: Mapping[str, float] = {}

    def look(self, names: Collection[str] | None = None) -> bool:
        """Look at documents.

        Args:
            names: The names of those that may have changed; None for a look at all.

        Returns:
            Whether there is something to read.
        """
        if self._unreadable and self._clock() >= self._next_try:
            self._try_again()
        is_due = self.looks.look(names)
        if self.looks.is_complete:
            return is_due
        self._take(self.looks.due)
        self.looks.settle()
        return self.looks.is_complete

    def read(self, *, everything: bool = False) -> PolicySet:
        """Read what the last look found to be due.

        Args:
            everything: Look now, and read all documents as they are; that is done in any case if nothing was read yet.

        Returns:
            The set of all documents; what did not change is the same object as before.

        Raises:
            InvalidPolicies: With every mistake of every document. The last good set is then what goes on beside them.
        """
        if everything or not self.looks.is_complete:
            self.looks.look()
            self._take(self.looks.names(), as_it_is=True)
            self.looks.settle()
        else:
            self._take(self.looks.due)
        if self._has_changed:
            self._assemble()
        elif everything:
            self.renew()
        return self.give()

    def renew(self) -> None:
        """Take note that the last good set is that of the documents at this moment, if it is."""
        if self.good is not None and self.mistakes is None and not self.looks.has_changes:
            self.good = structs.replace(self.good, loaded_at=time.time())

    def begin_with(self, kept: GoodSet) -> None:
        """Go on from the policies of a snapshot, as long as there was no good set.

        Each document that is good takes the place of what the snapshot has of it; if the snapshot has other documents,
        because the source was a file and is a directory now, it stays as a whole until all are good.
        """
        for name, draft in kept.documents.items():
            draft.source = Source(self._shown(name), "json", "")
        self._assembly.restore(kept.policy_set, kept.documents)
        assert self._assembly.revision is not None
        self._since = kept.since
        revision, documents = self._assembly.revision, self._assembly.documents
        # It may be that of a store which was followed before.
        self.good = structs.replace(kept, revision=revision, documents=documents, seen=None)
        self._assemble()

    def _take(self, names: Iterable[str], *, as_it_is: bool = False) -> None:
        """Read documents, or notice that they are gone.

        Args:
            names: Their names.
            as_it_is: Whether to take a document that changes at this very moment; it can wait else.
        """
        for name in list(names):
            self._working()
            state = self.looks.state(name)
            self._unreadable.discard(name)
            if state is None:
                self._put(name, None)
                continue
            found, now = self._read_one(name)
            if as_it_is or now == state or self.looks.may_go_on_changing(name):
                self._put(name, found)

    def _try_again(self) -> None:
        """Find out which documents can be read now: what kept them from it need not have changed them."""
        began = self._clock()
        for name in self._unreadable:
            self._working()
            if isinstance(read_text(self._path, name, self._limits)[0], Source):
                self.looks.forget(name)
        now = self._clock()
        self._next_try = now + max(RETRY_SECONDS, _REST * (now - began))

    def _read_one(self, name: str) -> tuple[Draft | PolicyError, object]:
        source, state = read_text(self._path, name, self._limits)
        if isinstance(source, PolicyError):
            if not self._unreadable:
                self._next_try = max(self._next_try, self._clock() + RETRY_SECONDS)
            self._unreadable.add(name)
            return source, state
        known = self._assembly.get(name)
        if isinstance(known, Draft) and known.source == source:
            return known, state
        try:
            return Draft(source), state
        except MemoryError:
            what = f"reading it takes more than {self._limits.memory} MiB of memory (--reader-memory)"
        return unreadable(shown_path(self._path / name), OSError(what)), state

    def _put(self, name: str, document: Draft | PolicyError | None) -> None:
        self.looks.has_read(name)
        if document is not self._assembly.get(name):
            self._assembly.put(name, document)
            self._has_changed = True

    def _assemble(self) -> None:
        try:
            if not self.looks.has_documents:
                document_names(self._path, self._limits)  # raises what is wrong
            change = self._assembly.read()
        except InvalidPolicies as invalid:
            self.mistakes, self.behind = invalid, ()
        else:
            self.mistakes = change.mistakes
            self.behind = self._who_is_behind()
            self._become(change)
            assert self.good is not None
            self.good = structs.replace(self.good, since=self._since)
        self._has_changed = False

    def _become(self, change: Change) -> None:
        """Make what goes on of the documents the last good set."""
        before, assembly = self.good, self._assembly
        if change.mistakes is None or before is None or assembly.documents is not before.documents:
            assert assembly.policy_set is not None
            is_old = before is not None and change.mistakes is not None
            loaded_at = before.loaded_at if before is not None and is_old else time.time()
            self.good = GoodSet(assembly.policy_set, change.revision, loaded_at, assembly.documents)
        if before is not None and change.base == before.revision != change.revision:
            self.history.add(before.policy_set, change)

    def _who_is_behind(self) -> tuple[Behind, ...]:
        if self.mistakes is None:
            self._since = {}
            return ()
        now, found = time.time(), self._assembly.behind
        self._since = {name: self._since.get(name, now) for name in found}
        # Those with mistakes first: of those that only wait for them there can be as many as there are documents.
        has_mistakes = {mistake.file for mistake in self.mistakes.mistakes}
        behind = [Behind(self._shown(name), self._since[name], is_kept) for name, is_kept in found.items()]
        behind.sort(key=lambda one: (one.document not in has_mistakes, one.document))
        return tuple(behind[:_MOST_BEHIND])

    def _shown(self, name: str) -> str:
        """Name a document as mistakes do."""
        return without_userinfo(shown_path(f"{self._path}/{name}" if name else self._path))


def read_at_start(
    path: Path, snapshot: Snapshot | None, limits: ReaderLimits = DEFAULT_LIMITS
) -> tuple[GoodSet, Change]:
    """Read documents for a start: their mistakes, and what the snapshot still lets the service decide.

    Args:
        path: The file or directory.
        snapshot: Takes the place of what is not good.
        limits: What reading may take.

    Returns:
        The set to start with, and the change that leads there from nothing.

    Raises:
        InvalidPolicies: There is nothing to go on with. With every mistake of every document, and why the snapshot is
            of no use.
    """
    try:
        return within_limits(limits, path, lambda: _read_at_start(path, snapshot, limits))
    except TakesTooMuch as invalid:
        if snapshot is None:
            raise
        kept = snapshot.in_place_of(invalid, is_start=True)
        return kept, Change.whole(kept.policy_set, revision=kept.revision, loaded_at=kept.loaded_at, mistakes=invalid)


def _read_at_start(path: Path, snapshot: Snapshot | None, limits: ReaderLimits) -> tuple[GoodSet, Change]:
    # What takes too much memory is read once more, too: then it is known which document that is.
    with suppress(InvalidPolicies, MemoryError):
        good = _read_good(path, limits)
        return good, Change.whole(good.policy_set, revision=good.revision, loaded_at=good.loaded_at)
    documents = Documents(path, limits)
    begin(documents, snapshot, is_start=True)
    assert documents.good is not None
    return documents.good, documents.change(None)


def _read_good(path: Path, limits: ReaderLimits) -> GoodSet:
    """Read documents that are good, with none of what `Documents` remembers of them: a start has to be quick."""
    texts = {name: read_text(path, name, limits)[0] for name in document_names(path, limits)}
    drafts = {name: Draft(text) for name, text in texts.items() if isinstance(text, Source)}
    unreadable = [text for text in texts.values() if isinstance(text, PolicyError)]
    policy_set = read_drafts(list(drafts.values()), unreadable=unreadable)
    return GoodSet.of(policy_set, time.time(), drafts)


def begin(documents: Policies, snapshot: Snapshot | None, *, is_start: bool, everything: bool = True) -> None:
    """Read documents; there may be no good set yet.

    Args:
        documents: The documents.
        snapshot: Takes the place of what is not good.
        is_start: See `Snapshot.in_place_of`.
        everything: See `Documents.read`.

    Raises:
        InvalidPolicies: There is nothing to go on with.
    """
    try:
        documents.read(everything=everything)
    except InvalidPolicies as invalid:
        if documents.good is not None:
            return
        if snapshot is None:
            raise
        documents.begin_with(snapshot.in_place_of(invalid, is_start=is_start))
