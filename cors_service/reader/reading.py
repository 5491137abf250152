"""Policies in documents, of which only those that changed are read again."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from pathlib import Path

from msgspec import Struct, structs

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import PolicySet
from cors_service.policy.assembly import Assembly
from cors_service.policy.change import Change
from cors_service.policy.draft import Draft
from cors_service.reader.history import History
from cors_service.reader.looking import Looks
from cors_service.reader.sources import document_names, read_text


class GoodSet(Struct, frozen=True):
    """A policy set without mistakes.

    Attributes:
        policy_set: The policies.
        revision: Their revision.
        loaded_at: When they were read, in seconds since 1970.
    """

    policy_set: PolicySet
    revision: str
    loaded_at: float


class Documents:
    """A file or a directory of documents, which remembers what it has read of each.

    Attributes:
        looks: Finds out what is due to be read.
        good: The last good set; None before there is one.
        mistakes: What is wrong with the documents as they were read last; None if nothing is.
    """

    def __init__(self, path: Path) -> None:
        """Make the documents of a file or directory, of which nothing is read yet."""
        self.good: GoodSet | None = None
        self.mistakes: InvalidPolicies | None = None
        self._path = path
        self.looks = Looks(path)
        self._assembly = Assembly()
        self._has_changed = True
        self._history = History()

    def look(self, names: Collection[str] | None = None) -> bool:
        """Look at documents.

        Args:
            names: The names of those that may have changed; None for a look at all.

        Returns:
            Whether there is something to read.
        """
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
            InvalidPolicies: With every mistake of every document.
        """
        if everything or not self.looks.is_complete:
            self.looks.look()
            self._take(self.looks.names(), as_it_is=True)
            self.looks.settle()
        else:
            self._take(self.looks.due)
        if self._has_changed:
            self._assemble()
        elif everything and self.good is not None:
            self.good = structs.replace(self.good, loaded_at=time.time())
        if self.mistakes is not None:
            raise self.mistakes.with_traceback(None)
        assert self.good is not None
        return self.good.policy_set

    def change(self, base: str | None) -> Change:
        """Say how to get to the last good set.

        Args:
            base: The revision to start from; None for nothing.

        Returns:
            The change that leads there: from the revision, if it is one of the last ones; from nothing, if not. If the
            set is not that of the documents, the change has their mistakes.

        Raises:
            InvalidPolicies: There is no good set, or it is the one to start from and there are mistakes.
        """
        good = self.good
        if self.mistakes is not None and (good is None or base == good.revision):
            # A traceback would grow with each raise, and keep alive whatever was at hand.
            raise self.mistakes.with_traceback(None)
        assert good is not None
        if base == good.revision:
            change: Change | None = Change(base=base, revision=good.revision)
        else:
            change = None if base is None else self._history.since(base, good.revision, good.policy_set)
        change = change or Change.whole(good.policy_set, revision=good.revision)
        return structs.replace(change, loaded_at=good.loaded_at, mistakes=self.mistakes)

    def recognise(self, revision: str, loaded_at: float) -> bool:
        """Say whether the last good set is one that was read elsewhere; if so, it was read when that was."""
        if self.good is None or self.good.revision != revision:
            return False
        self.good = structs.replace(self.good, loaded_at=loaded_at)
        return True

    def stand_in(self, change: Change) -> None:
        """Take policies from elsewhere as the last good set, as long as the documents have none.

        Args:
            change: What leads to them from nothing.
        """
        policy_set = PolicySet.of(change.policies, change.origin_sets)
        self.good = GoodSet(policy_set, change.revision, change.loaded_at or time.time())

    def _take(self, names: Iterable[str], *, as_it_is: bool = False) -> None:
        """Read documents, or notice that they are gone.

        Args:
            names: Their names.
            as_it_is: Whether to take a document that changes at this very moment; it can wait else.
        """
        for name in list(names):
            state = self.looks.state(name)
            if state is None:
                self._put(name, None)
                continue
            found, now = self._read_one(name)
            if as_it_is or now == state or self.looks.may_go_on_changing(name):
                self._put(name, found)

    def _read_one(self, name: str) -> tuple[Draft | PolicyError, object]:
        source, state = read_text(self._path, name)
        if isinstance(source, PolicyError):
            return source, state
        known = self._assembly.get(name)
        return known if isinstance(known, Draft) and known.source == source else Draft(source), state

    def _put(self, name: str, document: Draft | PolicyError | None) -> None:
        self.looks.has_read(name)
        if document is not self._assembly.get(name):
            self._assembly.put(name, document)
            self._has_changed = True

    def _assemble(self) -> None:
        try:
            if not self.looks.has_documents:
                document_names(self._path)  # raises what is wrong
            change = self._assembly.read()
        except InvalidPolicies as invalid:
            self.mistakes = invalid
        else:
            self.mistakes = None
            self._become(change)
        self._has_changed = False

    def _become(self, change: Change) -> None:
        """Make what the documents are now the last good set."""
        before, policy_set = self.good, self._assembly.policy_set
        assert policy_set is not None
        self.good = GoodSet(policy_set, change.revision, time.time())
        if before is not None and change.base == before.revision != change.revision:
            self._history.add(before.policy_set, change)
