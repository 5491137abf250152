"""The part of the policies that somebody edits, as a TOML document, and what an edited document changes."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from cors_service.grammar.lines import toml_lines
from cors_service.grammar.mistakes import InvalidPolicies, PolicyError, shown
from cors_service.grammar.toml_keys import line_of_many_parts
from cors_service.ledger.editing import new_document
from cors_service.ledger.edits import Body, Edit, as_document, digest_of_body
from cors_service.ledger.entry import TABLES, Key, Kind
from cors_service.ledger.kept import Kept
from cors_service.policy import Source
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts

LONGEST: Final = 96 * 1024
"""Characters of a document that is edited in a page; `cors-service pull` and `push` take any."""
_SHORTEST_ORIGIN: Final = 10
"""Characters of an origin in a list, with its quotes and comma."""
NAME: Final = "the document"
TEMPLATE: Final = """\
version = 1

[policies.NAME]
match = ["api.example.com/NAME/"]
origins = ["https://app.example.com"]
"""
"""What a new policy begins with."""

_MOST_PAIRS: Final = 1_000_000
_KINDS: Final[dict[str, Kind]] = {table: kind for kind, table in TABLES.items()}


def sheet_of(bodies: Mapping[Key, Body]) -> str:
    """Write definitions as a document."""
    return new_document([Edit(key, bodies[key]) for key in sorted(bodies)])


def is_long(keys: Iterable[Key], kept: Kept) -> bool:
    """Whether definitions are surely too long to be edited in a page, which is known without writing them."""
    policy_set, size = kept.policy_set, 0
    for key in keys:
        if key.kind == "policy":
            size += sum(len(rule.origins) for rule in policy_set.policies[key.name].rules)
        elif key.kind == "origin-set":
            size += len(policy_set.origin_sets[key.name])
    return size > LONGEST // _SHORTEST_ORIGIN


def keys_with(key: Key, kept: Kept) -> list[Key]:
    """A definition and the sets that it uses."""
    policy = kept.policy_set.policies.get(key.name) if key.kind == "policy" else None
    if policy is None:
        return [key]
    return [
        key,
        *(Key("origin-set", name) for name in sorted(policy.uses)),
        *(Key("header-set", name) for name in sorted(policy.uses_headers)),
    ]


def bodies_of(text: str) -> dict[Key, Body]:
    """Give the definitions of a document without mistakes, or of one that was sent to be edited; none of any other."""
    # Anybody who may propose sends it, and parsing such a text takes minutes.
    if line_of_many_parts(text) is not None:
        return {}
    try:
        structure = tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}
    tables = {table: structure.get(table) for table in _KINDS}
    return {
        Key(_KINDS[table], name): body
        for table, bodies in tables.items()
        if isinstance(bodies, dict)
        for name, body in bodies.items()
    }


def digests_in(text: str) -> dict[Key, str | None]:
    """Give the digests of the definitions of a document."""
    return {key: digest_of_body(key, body) for key, body in bodies_of(text).items()}


def read_sheet(text: str, before: str, kept: Kept, others: Mapping[Key, Body]) -> list[Edit]:
    """Say what an edited document changes.

    Args:
        text: The document.
        before: The document as it was sent to be edited; what it defines and the new one does not is removed.
        kept: What is there.
        others: The sets that it may use without defining them.

    Raises:
        InvalidPolicies: With every mistake of the document, each at its line.
    """
    draft = Draft(Source(NAME, "toml", text))
    base = digests_in(before)
    found: list[PolicyError] = []
    try:
        read_drafts([draft, Draft(None, as_document(others))])
    except InvalidPolicies as invalid:
        elsewhere = _used_elsewhere(kept, draft.policies)
        found += [one for one in invalid.mistakes if one.file == NAME and not _is_excused(one, elsewhere)]
        if found and invalid.more:
            raise InvalidPolicies(found, invalid.more) from None
    bodies = bodies_of(text)
    taken = [_taken(key) for key in bodies if key not in base and key in kept.digests]
    shared = [*_matches_of_others(draft, kept)] if not found else []
    if found or taken or shared:
        raise InvalidPolicies(placed([*found, *taken, *shared], text))
    changed = [Edit(key, body) for key, body in sorted(bodies.items()) if digest_of_body(key, body) != base.get(key)]
    return [*changed, *(Edit(key, None) for key in sorted(base.keys() - bodies.keys()))]


def sets_used(text: str) -> list[Key]:
    """The sets that the policies of a document use and that it does not define."""
    draft = Draft(Source(NAME, "toml", text))
    used = {key for read in draft.policies.values() for key in read.uses}
    return sorted(Key(_KINDS[table], name) for table, name in used - draft.sets.keys())


def placed(mistakes: Sequence[PolicyError], text: str) -> list[PolicyError]:
    """Find the lines of mistakes whose paths are known, and put them in their order."""
    lines: Mapping[Any, int] = {}
    wanted = {one.path for one in mistakes if one.path and (one.line is None or one.file != NAME)}
    if wanted:
        lines = toml_lines(text, wanted)
    for one in mistakes:
        if one.path in wanted:
            one.file, one.line = NAME, lines.get(one.path)
    return sorted(mistakes, key=lambda one: one.line or 0)


def overtaken(before: str, edits: Iterable[Edit], kept: Kept) -> list[Key]:
    """What somebody else has changed since a document was sent to be edited, or has made what edits would make.

    Args:
        before: The document as it was sent.
        edits: What has become of it.
        kept: What is there.
    """
    base = digests_in(before)
    keys = {*base, *(edit.key for edit in edits)}
    return sorted(key for key in keys if kept.digests.get(key) != base.get(key))


def merged(before: str, mine: str, theirs: str) -> str | None:
    """Put two edits of a text together; None if both changed the same lines, or lines beside each other.

    None, too, for texts with very many equal lines, which take minutes to compare.
    """
    base = before.splitlines(keepends=True)
    changes: list[tuple[int, int, list[str]]] = []
    for text in (mine, theirs):
        lines = text.splitlines(keepends=True)
        if _pairs(base, lines) > _MOST_PAIRS:
            return None
        matcher = SequenceMatcher(None, base, lines, autojunk=False)
        changes += [(i, j, lines[k:m]) for tag, i, j, k, m in matcher.get_opcodes() if tag != "equal"]
    changes.sort(key=lambda one: one[:2])
    at, whole = 0, list[str]()
    for position, (begin, end, lines) in enumerate(changes):
        if position and (begin, end, lines) == changes[position - 1]:
            continue
        if position and begin <= changes[position - 1][1]:
            return None
        whole += [*base[at:begin], *lines]
        at = end
    return "".join([*whole, *base[at:]])


def _pairs(some: Iterable[str], others: Iterable[str]) -> int:
    """Count the pairs of equal lines of two texts."""
    counts = Counter(others)
    return sum(count * counts[line] for line, count in Counter(some).items())


def _used_elsewhere(kept: Kept, policies: Collection[str]) -> set[tuple[str | int, ...]]:
    others = [policy for name, policy in kept.policy_set.policies.items() if name not in policies]
    return {
        *((TABLES["origin-set"], name) for policy in others for name in policy.uses),
        *((TABLES["header-set"], name) for policy in others for name in policy.uses_headers),
    }


def _is_excused(mistake: PolicyError, elsewhere: set[tuple[str | int, ...]]) -> bool:
    """Whether a mistake is only about what the rest of the policies has."""
    if mistake.code == "no-policies":
        return True
    return mistake.code.endswith("-set-unused") and mistake.path in elsewhere


def _matches_of_others(draft: Draft, kept: Kept) -> Iterator[PolicyError]:
    """Find each `match` that is another policy's, too: the rest of the policies would be called wrong."""
    owners = {
        match.key: policy.name
        for policy in kept.policy_set.policies.values()
        if policy.name not in draft.policies
        for match in policy.match
    }
    for name, read in draft.policies.items():
        for index, match in enumerate(read.matches):
            owner = None if match is None else owners.get(match.key)
            if match is not None and owner is not None:
                yield PolicyError(
                    "match-ambiguous",
                    f"{shown(match.text)} already finds the policy {shown(owner)}.",
                    hint="Give one of the two a longer path or a more specific host.",
                    path=("policies", name, "match", index),
                    file=NAME,
                )


def _taken(key: Key) -> PolicyError:
    what = key.kind.replace("-", " ")
    message = f"There is a {what} {shown(key.name)} already."
    hint = "Choose another name; or open that one to change it."
    return PolicyError(f"{key.kind}-duplicate", message, hint=hint, path=(TABLES[key.kind], key.name), file=NAME)
