"""Policies in files, of which only those that changed are read again."""

from __future__ import annotations

import hashlib
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Final

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import PolicySet
from cors_service.policy.assembly import Assembly
from cors_service.policy.change import Change
from cors_service.policy.draft import Draft
from cors_service.reader.sources import PATIENCE, States, document_names, read_text, state_of, status_of

PATIENCE_WITH_OTHERS: Final = 4
"""For how many looks documents that changed wait for others that go on changing: they may belong together."""


def mark_of(states: States) -> str:
    """Name what was seen by a look, for who compares it with what he sees."""
    return hashlib.sha256(repr(sorted(states.items())).encode("utf-8", "backslashreplace")).hexdigest()


class FileReader:
    """A file or a directory of documents, which remembers what it has read.

    A document is read when two looks agree about it: what is being written may be a good one as far as it goes, and
    lack what restricts it. The others wait for it, since what is written together is meant together, but not for ever.

    """

    def __init__(self, path: Path) -> None:
        """Make a reader.

        Args:
            path: The file or directory.
        """
        self._path = path
        self._seen: States | None = None
        # What was read, and the states that it was read in; complete once no document is left that was there before.
        self._assembly = Assembly()
        self._taken: States = {}
        self._is_complete = False
        self._due: set[str] = set()
        self._restless: dict[str, int] = {}
        self._unrest = 0

    @property
    def revision(self) -> str | None:
        """Of the last good set; None before there is one."""
        return self._assembly.revision

    @property
    def policy_set(self) -> PolicySet | None:
        """The last good set."""
        return self._assembly.policy_set

    def begin(self, mark: str | None) -> bool:
        """Look for the first time; read the documents if they are as somebody else has seen them before.

        Args:
            mark: Names what he has seen (`mark_of`); None for nothing.

        Returns:
            Whether they were: then two looks agree about them.
        """
        seen = self._look()
        if mark != mark_of(seen):
            return False
        self._take(set(seen))
        self._is_complete = self._taken.keys() == seen.keys()
        with suppress(InvalidPolicies):
            self._assembly.read()
        return True

    def look(self) -> bool:
        """Look at the documents.

        Returns:
            Whether there is something to read.
        """
        before, now = self._seen, self._look()
        if now == self._taken and self._is_complete:
            self._due, self._restless, self._unrest = set(), {}, 0
            return False
        changed = {name for name, state in now.items() if self._taken.get(name) != state} | (self._taken.keys() - now)
        restless = {name for name in changed if before is None or now.get(name) != before.get(name)}
        self._restless = {name: self._restless.get(name, 0) + 1 for name in restless}
        self._unrest = self._unrest + 1 if restless else 0
        self._due = {name for name, looks in self._restless.items() if looks >= PATIENCE}
        if not self._is_complete:
            # Who asks may know all of them from before: nothing is told as long as one is missing.
            self._due |= changed - restless
            self._take(self._due)
            self._is_complete = now.keys() <= self._taken.keys()
            return self._is_complete
        if self._unrest < PATIENCE_WITH_OTHERS and len(self._due) < len(restless):
            return False
        self._due |= changed - restless
        return bool(self._due)

    def read(self, *, everything: bool = False) -> Change:
        """Read what the last look found to be due.

        Args:
            everything: Look now, and read all documents as they are; what else if nothing was read yet.

        Returns:
            What makes the set that is there now of the last good one; what did not change is the same object.

        Raises:
            InvalidPolicies: With every mistake of every document.
        """
        if everything or not self._is_complete:
            seen = self._look()
            self._take(seen.keys() | self._taken.keys(), as_it_is=True)
            self._is_complete = True
        else:
            self._take(self._due)
        if not self._taken:
            document_names(self._path)  # raises what is wrong
        return self._assembly.read()

    def change(self, base: str | None, *, everything: bool = False) -> Change:
        """Read what is due, and compare.

        Args:
            base: The revision to start from.
            everything: Look now, and read all documents as they are.

        Returns:
            The change that leads from that revision, if it is that of the last good set, to the good set that is there
            now; from nothing, if it is not.

        Raises:
            InvalidPolicies: With every mistake of every document.
        """
        known = self.revision
        change = self.read(everything=everything)
        if base == change.revision:
            return Change(base=base, revision=base)
        if base is None or base != known:
            assert self.policy_set is not None
            return Change.between(None, None, change.revision, self.policy_set)
        return change

    def _look(self) -> States:
        self._seen = state_of(self._path)
        return self._seen

    def _take(self, names: AbstractSet[str], *, as_it_is: bool = False) -> None:
        """Read documents, or notice that they are gone.

        Args:
            names: Their names.
            as_it_is: Whether it does not matter that one is changed at this very moment. It can wait else.
        """
        seen = self._seen or {}
        for name in names:
            state = seen.get(name)
            if state is None:
                self._taken.pop(name, None)
                self._assembly.put(name, None)
                continue
            found = self._read_one(name)
            if as_it_is or name in self._restless or status_of((self._path / name).stat) == state:
                self._taken[name] = state
                self._assembly.put(name, found)
        self._due = set()

    def _read_one(self, name: str) -> Draft | PolicyError:
        source = read_text(self._path / name)
        if isinstance(source, PolicyError):
            return source
        kept = self._assembly.get(name)
        return kept if isinstance(kept, Draft) and kept.source == source else Draft(source)
