"""Which versions of the documents are active: of each one the last good one, as far as they go together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import structs

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy._report import name_of
from cors_service.policy.change import Change
from cors_service.policy.draft import MOST_ORIGINS, Draft
from cors_service.policy.merge import ambiguous, first_of_each, read_drafts
from cors_service.policy.model import PolicySet
from cors_service.policy.revision import Digests
from cors_service.policy.tables import Tables

WHOLE: Final = ""
"""The name of a document that is all that there is."""


class Assembly:
    """The documents of a policy set; few change at a time.

    Before there is a good set, any mistake refuses all. From then on, a document with mistakes of its own keeps its
    last good version, or is left out if it never had one, and the others go on. If what this makes has mistakes between
    documents, the whole last good set stays.

    Attributes:
        policy_set: The last good set; None before there is one.
        revision: Its name.
        documents: The versions that it is made of, by their names.
    """

    def __init__(self) -> None:
        self.policy_set: PolicySet | None = None
        self.revision: str | None = None
        self.documents: Mapping[str, Draft] = {}
        self._newest: dict[str, Draft | PolicyError] = {}
        self._digests = Digests()
        # What the documents of the last good set define; None until one of them changes, and after a mistake.
        self._tables: Tables | None = None
        # Whether each document that is good by itself is part of the last good set, and so are no others.
        self._is_even = False
        self._replaced: set[str] = set()
        self._unsound: set[str] = set()

    def get(self, name: str) -> Draft | PolicyError | None:
        """Give the newest document of this name, or the reason why it can't be read; None if there is none."""
        return self._newest.get(name)

    def put(self, name: str, document: Draft | PolicyError | None) -> None:
        """Replace the document of a name; None removes it."""
        self._replaced.add(name)
        self._unsound.discard(name)
        if document is None:
            self._newest.pop(name, None)
            return
        self._newest[name] = document
        if not _is_sound(document):
            self._unsound.add(name)

    def restore(self, policy_set: PolicySet, documents: Mapping[str, Draft]) -> None:
        """Take a set that was good before as the last good set.

        Args:
            policy_set: The set.
            documents: The documents that it is made of. Of those that are there in the same version, those are taken
                that are there.
        """
        newest = self._newest
        same = {name: one for name, one in newest.items() if isinstance(one, Draft) and one.says(documents.get(name))}
        self._become(policy_set, {**documents, **same})
        self._is_even, self._tables = False, None

    def read(self) -> Change:
        """Make a policy set of all documents.

        Returns:
            The change from the last good set, with the mistakes of what had to be left behind. Policies of unchanged
            documents are the same objects as before.

        Raises:
            InvalidPolicies: There is no good set. With every mistake of every document, in the order of their names
                and lines.
        """
        change = self._read_replaced() if self._is_even and not self._is_one else None
        if change is None:
            change = self._read_all()
        elif self._unsound:
            change = structs.replace(change, mistakes=self._mistakes())
        self._replaced = set()
        return change

    @property
    def behind(self) -> dict[str, bool]:
        """The documents with newest versions that are not in the last good set, and whether an earlier version is."""
        if self._is_one:
            return dict.fromkeys(self._unsound, True)
        active = self.documents
        newer = {
            name: name in active for name, document in self._newest.items() if _is_newer(document, active.get(name))
        }
        return newer | dict.fromkeys(active.keys() - self._newest.keys(), True)

    @property
    def _is_one(self) -> bool:
        """Whether the last good set stands as a whole: it was one file, and there is a directory now, or vice versa."""
        return bool(self.documents) and (WHOLE in self.documents) != (WHOLE in self._newest)

    def _become(self, policy_set: PolicySet, documents: Mapping[str, Draft]) -> None:
        self.policy_set, self.documents = policy_set, documents
        self.revision = self._digests.revision(policy_set)

    def _read_all(self) -> Change:
        self._is_even, self._tables = False, None
        before, base = self.policy_set, self.revision
        mistakes: InvalidPolicies | None = None
        try:
            policy_set = self._read_newest()
        except InvalidPolicies as invalid:
            if before is None:
                raise
            mistakes = invalid if self._is_one else self._read_sound(invalid)
        else:
            self._become(policy_set, {name: one for name, one in self._newest.items() if isinstance(one, Draft)})
            self._is_even = True
        assert self.policy_set is not None
        assert self.revision is not None
        return structs.replace(Change.between(base, before, self.revision, self.policy_set), mistakes=mistakes)

    def _read_newest(self) -> PolicySet:
        documents = [self._newest[name] for name in sorted(self._newest)]
        return read_drafts(_drafts(documents), unreadable=[one for one in documents if isinstance(one, PolicyError)])

    def _mistakes(self) -> InvalidPolicies | None:
        """The mistakes of the newest documents."""
        try:
            self._read_newest()
        except InvalidPolicies as invalid:
            return invalid
        return None

    def _read_sound(self, invalid: InvalidPolicies) -> InvalidPolicies:
        """Go on with all documents but those with mistakes of their own.

        Args:
            invalid: The mistakes of the newest documents.

        Returns:
            These, and what keeps the others from going on.
        """
        versions = {name: version for name in sorted(self._newest) if (version := self._version(name))}
        self._is_even = True
        for find in (self._too_heavy, self._misusing, self._with_unused_sets):
            for name in find(versions):
                self._is_even = False
                # In its place: of what is defined twice, the first counts.
                if name in self.documents:
                    versions[name] = self.documents[name]
                else:
                    del versions[name]
        if versions == self.documents:
            return invalid
        try:
            policy_set = read_drafts([versions[name] for name in sorted(versions)])
        except InvalidPolicies as clash:
            self._is_even = False
            left = [document for name, document in self._newest.items() if document is not versions.get(name)]
            return _with_clash(invalid, clash, left)
        self._become(policy_set, versions)
        return invalid

    def _too_heavy(self, versions: Mapping[str, Draft]) -> list[str]:
        """Name the new versions with which the policies cost too much, those first that cost most."""
        sets = first_of_each(draft.sets for draft in versions.values())
        weights = {name: version.weight_with(sets) for name, version in versions.items()}
        too_much = sum(weights.values()) - MOST_ORIGINS
        heavy: list[str] = []
        for name in sorted(self._new(versions), key=weights.__getitem__, reverse=True) if too_much > 0 else ():
            if too_much > 0:
                heavy.append(name)
                too_much -= weights[name]
        return heavy

    def _misusing(self, versions: Mapping[str, Draft]) -> list[str]:
        """Name the new versions that make mistakes in their use of origin sets."""
        sets = first_of_each(draft.sets for draft in versions.values())
        return [name for name in self._new(versions) if versions[name].misuse(sets, is_complete=True)]

    def _with_unused_sets(self, versions: Mapping[str, Draft]) -> list[str]:
        """Name the new versions with new sets that no policy uses."""
        policies = first_of_each(draft.policies for draft in versions.values())
        used = {name for read in policies.values() for name in read.uses}
        old = {name: self.documents[name].sets.keys() for name in versions if name in self.documents}
        return [name for name in self._new(versions) if versions[name].sets.keys() - used - old.get(name, set())]

    def _new(self, versions: Mapping[str, Draft]) -> list[str]:
        return [name for name, version in versions.items() if version is not self.documents.get(name)]

    def _version(self, name: str) -> Draft | None:
        """The version of a document to go on with; None if there is none."""
        newest = self._newest.get(name)
        if newest is None:
            return None
        return newest if isinstance(newest, Draft) and name not in self._unsound else self.documents.get(name)

    def _read_replaced(self) -> Change | None:
        """Change the last set; None if that takes a look at all documents."""
        assert self.policy_set is not None
        assert self.revision is not None
        versions = {name: self._version(name) for name in self._replaced}
        versions = {name: version for name, version in versions.items() if version is not self.documents.get(name)}
        if not versions:
            return Change(base=self.revision, revision=self.revision)
        if self._tables is None:
            self._tables = Tables(self.policy_set, self.documents.values())
        names = self._tables.replace(_drafts(map(self.documents.get, versions)), _drafts(versions.values()))
        if names is None:
            return None
        before, policies = self.policy_set.policies, self._tables.policies
        base, self.revision = self.revision, self._digests.changed(names, policies)
        self.policy_set = structs.replace(self.policy_set, policies=MappingProxyType(policies))
        documents = dict(self.documents)
        for name, version in versions.items():
            if version is None:
                del documents[name]
            else:
                documents[name] = version
        self.documents = documents
        return Change(
            base=base,
            revision=self.revision,
            policies=tuple(policies[name] for name in names if name in policies and policies[name] != before.get(name)),
            removed=tuple(name for name in names if name not in policies),
        )


def _is_newer(document: Draft | PolicyError, active: Draft | None) -> bool:
    return document is not active and not (isinstance(document, Draft) and document.says(active))


def _is_sound(document: Draft | PolicyError) -> bool:
    """Whether a document has no mistakes of its own, whatever the others are."""
    return (
        isinstance(document, Draft)
        and document.is_complete
        and not document.mistakes
        and not any(ambiguous(document.policies))
        and not (document.sets and document.misuse(document.sets, is_complete=False))
    )


def _with_clash(
    invalid: InvalidPolicies, clash: InvalidPolicies, left: Iterable[Draft | PolicyError]
) -> InvalidPolicies:
    """Add what is wrong because newest documents were left behind to what is wrong with the newest."""
    known = set(map(str, invalid.mistakes))
    files = {document.file if isinstance(document, PolicyError) else name_of(document.source) for document in left}
    first, *others = sorted(map(str, files)) or [""]
    rest = f" and {len(others)} more" if others else ""
    note = f" This comes of leaving out the newest version of {first}{rest}, which has mistakes." if files else ""
    found = [
        PolicyError(
            mistake.code,
            f"{mistake.message}{note}",
            hint=mistake.hint,
            path=mistake.path,
            value=mistake.value,
            file=mistake.file,
            # An earlier version is in no file any more.
            line=None if mistake.file in files else mistake.line,
        )
        for mistake in clash.mistakes
        if str(mistake) not in known
    ]
    return InvalidPolicies([*invalid.mistakes, *found])


def _drafts(documents: Iterable[Draft | PolicyError | None]) -> list[Draft]:
    return [one for one in documents if isinstance(one, Draft)]
