"""A change of policies as messages. A large one comes in many, so that it is taken in bit by bit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, cast

from msgspec import structs

from cors_service.grammar.mistakes import LONGEST_PART, InvalidPolicies, PolicyError, cut, value_without_userinfo
from cors_service.grammar.pattern import OriginPattern, Pattern, weight
from cors_service.policy.change import Change
from cors_service.policy.model import Policy, Rule
from cors_service.reader.messages import Begin, End, Failed, Message, Part, Piece, Refused

# How many origins a part has at least, but for the last: some 32 KiB.
_PART_ORIGINS: Final = 500
# A policy or an origin set with more is sent in pieces, since a message is read in one go.
_PIECES_FROM: Final = 4 * _PART_ORIGINS


class IncomingChange:
    """Puts the parts of an answer together."""

    def __init__(self) -> None:
        self._begin: Begin | None = None
        self._pieces: list[Pattern] = []
        self._policies: list[Policy] = []
        self._origin_sets: dict[str, tuple[OriginPattern, ...]] = {}
        self._header_sets: dict[str, tuple[str, ...]] = {}

    def take(self, message: Message) -> Change | None:
        """Take the next message of an answer; any other says nothing.

        Returns:
            The change, once it is complete.

        Raises:
            InvalidPolicies: The answer is that there are mistakes.
            ReaderFailed: The answer is that there is none.
        """
        match message:
            case Begin():
                self._begin, self._pieces, self._policies = message, [], []
                self._origin_sets, self._header_sets = {}, {}
            case Piece():
                self._pieces += message.origins
            case Part(in_pieces=counts) if counts:
                self._take_pieces(message)
            case Part():
                self._policies += message.policies
                self._origin_sets |= message.origin_sets
                self._header_sets |= message.header_sets
            case End():
                return self._change()
            case Refused():
                raise read_mistakes(message.mistakes)
            case Failed():
                raise ReaderFailed(message.traceback)
        return None

    def _take_pieces(self, part: Part) -> None:
        """Put the one policy or origin set of a part together."""
        pieces, self._pieces = iter(self._pieces), []
        origins = [tuple(islice(pieces, count)) for count in part.in_pieces]
        for policy in part.policies:
            rules = tuple(map(_with_origins, policy.rules, origins))
            self._policies.append(structs.replace(policy, rules=rules))
        for name in part.origin_sets:
            self._origin_sets[name] = cast(tuple[OriginPattern, ...], origins[0])

    def _change(self) -> Change:
        begin = self._begin
        assert begin is not None
        policies, self._policies = self._policies, []
        return Change(
            base=begin.base,
            revision=begin.revision,
            policies=tuple(policies),
            removed=begin.removed,
            origin_sets=self._origin_sets,
            removed_sets=begin.removed_sets,
            header_sets=self._header_sets,
            removed_header_sets=begin.removed_header_sets,
            loaded_at=begin.loaded_at,
            mistakes=None if begin.mistakes is None else read_mistakes(begin.mistakes),
            behind=begin.behind,
            snapshot_problem=begin.snapshot_problem,
            seq=begin.seq,
        )


class ReaderFailed(Exception):
    """The process that reads policies can't do what it is asked for."""


def parts_of(change: Change) -> Iterator[Begin | Piece | Part | End]:
    """Take a change apart into messages."""
    mistakes = None if change.mistakes is None else write_mistakes(change.mistakes)
    removed = (change.removed, change.removed_sets, change.removed_header_sets)
    said = (mistakes, change.behind, change.snapshot_problem)
    yield Begin(change.base, change.revision, *removed, change.loaded_at, *said, seq=change.seq)
    for name, origins in change.origin_sets.items():
        yield from (
            _pieces(Part(origin_sets={name: ()}), [origins])
            if _is_large([origins])
            else [Part(origin_sets={name: origins})]
        )
    yield from (Part(header_sets={name: names}) for name, names in change.header_sets.items())
    for policies in _batches(change.policies):
        lists = [rule.origins for rule in policies[-1].rules]
        if not _is_large(lists):
            yield Part(tuple(policies))
            continue
        if policies[:-1]:
            yield Part(tuple(policies[:-1]))
        rules = tuple(_with_origins(rule, ()) for rule in policies[-1].rules)
        yield from _pieces(Part((structs.replace(policies[-1], rules=rules),)), lists)
    yield End()


def write_mistakes(invalid: InvalidPolicies) -> str:
    """Write mistakes as JSON in ASCII: unlike MessagePack, it can hold names that are not text."""
    names = ("code", "message", "hint", "file", "line")
    mistakes: list[dict[str, Any]] = []
    for mistake in invalid.mistakes:
        written = {name: getattr(mistake, name) for name in names}
        path = [
            part if isinstance(part, int) else cut(value_without_userinfo(part), LONGEST_PART) for part in mistake.path
        ]
        # Values may be of any type; this is what is reported of them.
        mistakes.append({**written, "path": path, "value": mistake.as_dict()["value"]})
    return json.dumps({"mistakes": mistakes, "more": invalid.more})


def read_mistakes(text: str) -> InvalidPolicies:
    """Read mistakes; they say the same as those that were written."""
    written: dict[str, Any] = json.loads(text)
    mistakes = [PolicyError(**{**mistake, "path": tuple(mistake["path"])}) for mistake in written["mistakes"]]
    return InvalidPolicies(mistakes, written["more"])


def _is_large(lists: Sequence[Sequence[Pattern]]) -> bool:
    return sum(sum(map(weight, origins)) for origins in lists) > _PIECES_FROM


def _pieces(part: Part, lists: Sequence[Sequence[Pattern]]) -> Iterator[Piece | Part]:
    """Take a part with one policy or origin set apart; its origins are these lists, which were taken out of it."""
    piece: list[Pattern] = []
    size = 0
    for pattern in chain.from_iterable(lists):
        piece.append(pattern)
        size += weight(pattern)
        if size >= _PART_ORIGINS:
            yield Piece(tuple(piece))
            piece, size = [], 0
    yield Piece(tuple(piece))
    yield structs.replace(part, in_pieces=tuple(map(len, lists)))


def _with_origins(rule: Rule, origins: tuple[Pattern, ...]) -> Rule:
    return structs.replace(rule, origins=origins)


def _batches(policies: Iterable[Policy]) -> Iterator[list[Policy]]:
    batch: list[Policy] = []
    size = 0
    for policy in policies:
        batch.append(policy)
        # A rule takes as much as some origins do, and a name as much as one.
        names = sum(len(rule.methods) + len(rule.request_headers) + len(rule.expose_headers) for rule in policy.rules)
        size += sum(5 + sum(map(weight, rule.origins)) for rule in policy.rules) + len(policy.match) + names
        if size >= _PART_ORIGINS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
