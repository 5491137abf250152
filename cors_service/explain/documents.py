"""The documents of a policy set with their texts, which can be edited."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

from cors_service.decision import ActivePolicies
from cors_service.explain._edits import Edit, NotEditedError, edited
from cors_service.explain._toml import NOT_EDITED, edit_toml
from cors_service.policy import PolicyError, PolicySet, Source
from cors_service.policy.draft import Draft
from cors_service.policy.json_text import edit_json
from cors_service.policy.merge import read_drafts

_LONGEST: Final = 1024 * 1024
"""Characters of a document that is edited; nobody writes a longer one by hand."""
_BARE_LINE_END: Final = re.compile(r"(?<!\r)\n")


class Documents:
    """Documents, read.

    Attributes:
        sources: Their texts.
        policy_set: What they hold together.
        active: The same, ready to decide.
    """

    def __init__(
        self, sources: Sequence[Source], *, unreadable: Iterable[PolicyError] = (), elsewhere: Iterable[str] = ()
    ) -> None:
        """Read documents.

        Args:
            sources: The texts.
            unreadable: A mistake for each document that could not be read.
            elsewhere: The names of policies that are in no document here.

        Raises:
            InvalidPolicies: With every mistake of every document.
        """
        self.sources = tuple(sources)
        self._elsewhere = frozenset(elsewhere)
        self._become([*map(Draft, sources)], {}, unreadable)

    def _become(
        self, drafts: list[Draft], structures: dict[int, dict[str, Any]], unreadable: Iterable[PolicyError] = ()
    ) -> None:
        self._drafts = drafts
        self._structures = structures
        self.policy_set: PolicySet = read_drafts(drafts, unreadable=unreadable)
        self.active = ActivePolicies(self.policy_set)

    @property
    def taken(self) -> frozenset[str]:
        """The names that a new policy can't have."""
        return self._elsewhere.union(self.policy_set.policies)

    def index_of(self, policy: str) -> int:
        """Give the index of the document that has a policy; 0 if none has it."""
        return next((index for index, draft in enumerate(self._drafts) if policy in draft.policies), 0)

    def body(self, policy: str) -> dict[str, Any]:
        """Give the table of a policy, as its document has it."""
        body: dict[str, Any] = self._structure(self.index_of(policy))["policies"][policy]
        return body

    def _structure(self, index: int) -> dict[str, Any]:
        if index not in self._structures:
            self._structures[index] = parsed(self.sources[index])
        return self._structures[index]

    def edited(self, edits: Sequence[Edit]) -> Self:
        """Give the documents as they would be after edits of one of them, without its text.

        Raises:
            InvalidPolicies: With every mistake that they would have.
        """
        index = self.index_of(str(edits[0].path[1]))
        structure = edited(self._structure(index), edits)
        drafts = [*self._drafts]
        drafts[index] = Draft(None, structure)
        return self._with(self.sources, drafts, {**self._structures, index: structure})

    def rewritten(self, edits: Sequence[Edit]) -> tuple[int, Self]:
        """Make edits in the text of the document that they are about.

        Returns:
            The index of the document, and the documents with its new text, which was read again.

        Raises:
            NotEditedError: It is too long, or written in a way that is not edited here.
            InvalidPolicies: With every mistake that they would have.
        """
        index = self.index_of(str(edits[0].path[1]))
        source = self.sources[index]
        if len(source.text) > _LONGEST:
            raise NotEditedError("the document is too long to be edited here")
        wanted = edited(self._structure(index), edits)
        text = edit_json(source.text, wanted) if source.format == "json" else edit_toml(source.text, edits)
        if "\r\n" in source.text and source.text.count("\r\n") == source.text.count("\n"):
            text = _BARE_LINE_END.sub("\r\n", text)
        after = Source(source.name, source.format, text)
        # Whatever the editor does, nothing else is proposed than what was meant.
        try:
            is_right = parsed(after) == wanted
        except ValueError:
            is_right = False
        if not is_right:
            raise NotEditedError(NOT_EDITED)
        sources, drafts = [*self.sources], [*self._drafts]
        sources[index], drafts[index] = after, Draft(after)
        return index, self._with(sources, drafts, {})

    def _with(self, sources: Sequence[Source], drafts: list[Draft], structures: dict[int, dict[str, Any]]) -> Self:
        other = type(self).__new__(type(self))
        other.sources = tuple(sources)
        other._elsewhere = self._elsewhere
        other._become(drafts, structures)
        return other


def parsed(source: Source) -> dict[str, Any]:
    """Parse a document, which is valid; it has a table for policies, perhaps an empty one."""
    structure: dict[str, Any] = json.loads(source.text) if source.format == "json" else tomllib.loads(source.text)
    structure.setdefault("policies", {})
    return structure
