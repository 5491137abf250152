"""The active policies as documents: each is written once for a revision, a little at a time, and shared by all who ask.

A document of 100,000 policies has 58 MiB, takes seconds to write, and is kept compressed, in a twentieth of that.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import merge
from typing import Final

from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.internet.task import CooperativeTask
from twisted.logger import Logger
from twisted.python.failure import Failure

from cors_service.decision import ActivePolicies
from cors_service.decision.steps import batches
from cors_service.grammar.match import Match
from cors_service.grammar.pattern import Pattern, SetName, write_pattern
from cors_service.policy import PolicySet, write_document
from cors_service.policy.model import Policy, Rule
from cors_service.policy.revision import VERSION
from cors_service.web.later import PIECE
from cors_service.web.turns import Turns, Waits
from cors_service.wire.json_text import write_json

SHORT: Final = 2000
"""A document with no more parts than that (origins, rules, and the like) is written at once, in a few milliseconds."""

# Documents of single policies, each of them longer than that.
_MOST_KEPT: Final = 4
_IN_A_STEP: Final = 250
_FASTEST: Final = 1


class Documents:
    """Documents of the active policies, which go with the revision."""

    def __init__(self, turns: Turns) -> None:
        """Make none.

        Args:
            turns: Where they are written.
        """
        self._turns = turns
        self._revision = ""
        self._short: bytes | None = None
        self._kept: dict[str | None, Document] = {}

    def short(self, active: ActivePolicies, name: str | None = None) -> bytes | None:
        """Give a document that is short; None for one that is not.

        Args:
            active: The policies.
            name: That of the policy; None for all.
        """
        self._go_with(active)
        return self._short if name is None else _written_at_once(active.policy_set, [name])

    def of(self, active: ActivePolicies, name: str | None = None) -> Document:
        """Give the document of all policies, or of one of them and the origin sets that it uses.

        Args:
            active: The policies.
            name: That of the policy; None for all.
        """
        self._go_with(active)
        document = self._kept.get(name)
        if document is None or not document.is_wanted:
            names = active.policy_set.policies if name is None else [name]
            document = Document(self._turns, document_steps(active.policy_set, names))
            singles = [one for one in self._kept if one is not None]
            if len(singles) >= _MOST_KEPT:
                del self._kept[singles[0]]
            self._kept[name] = document
        return document

    def _go_with(self, active: ActivePolicies) -> None:
        if active.revision != self._revision:
            self._revision, self._kept = active.revision, {}
            self._short = _written_at_once(active.policy_set, active.policy_set.policies)


class Document:
    """A document that is written when it is first waited for.

    Attributes:
        is_wanted: Whether it is complete, or will be: it is given up when nobody waits for it any more.
    """

    _log: Final = Logger()

    def __init__(self, turns: Turns, steps: Iterator[tuple[bool, bytes]]) -> None:
        """Make one, before anything is written.

        Args:
            turns: Where it is written.
            steps: What `document_steps` gives.
        """
        self.is_wanted = True
        self._is_complete = False
        self._is_broken = False
        self._turns = turns
        self._steps = steps
        self._pieces: list[bytes] = []
        self._length = 0
        self._writing: CooperativeTask[Iterator[None]] | None = None
        self._waiting: list[Deferred[None]] = []

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return map(zlib.decompress, self._pieces)

    @property
    def is_complete(self) -> bool:
        """Whether all of it is written."""
        return self._is_complete

    def ready(self) -> Waits:
        """Wait until all of it is written.

        Raises:
            RuntimeError: It can't be written; the log says why.
        """
        if self._is_complete:
            return
        if self._writing is None:
            self._writing = self._turns.take(self._write())
            self._writing.whenDone().addCallbacks(self._written, self._failed)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        try:
            yield waiting
        except GeneratorExit:
            self._give_up(waiting)
            raise
        if self._is_broken:
            raise RuntimeError("The document of the policies can't be written.")

    def _give_up(self, waiting: Deferred[None]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        if not self._waiting and self.is_wanted and not self._is_complete and self._writing is not None:
            self.is_wanted = False
            self._writing.stop()

    def _write(self) -> Iterator[None]:
        """Write all of it; origin sets, which stand in front, are known behind the policies that use them."""
        sets, policies = _Text(), _Text()
        for is_set, text in self._steps:
            (sets if is_set else policies).add(text)
            yield None
        sets.end()
        policies.end()
        self._pieces = [*sets.pieces, *policies.pieces]
        self._length = sets.length + policies.length

    def _written(self, _: object) -> None:
        self._is_complete = True
        self._tell()

    def _failed(self, failure: Failure) -> None:
        if self.is_wanted:
            self.is_wanted, self._is_broken = False, True
            self._log.failure("Can't write the document of the policies", failure=failure)
            self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)


class _Text:
    """A text that is compressed while it grows.

    Attributes:
        pieces: Each can be expanded for itself.
        length: Bytes of the whole text.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.length = 0
        self._last = bytearray()

    def add(self, text: bytes) -> None:
        self._last += text
        if len(self._last) >= PIECE:
            self.end()

    def end(self) -> None:
        if self._last:
            self.length += len(self._last)
            self.pieces.append(zlib.compress(self._last, _FASTEST))
            self._last.clear()


def _written_at_once(policy_set: PolicySet, names: Collection[str]) -> bytes | None:
    """Write a document if that takes a few milliseconds at most."""
    parts = 0
    for name in names:
        for part in _parts(policy_set, policy_set.policies[name]):
            parts += part
            if parts > SHORT:
                return None
    return write_json(write_document(policy_set, names))


def _parts(policy_set: PolicySet, policy: Policy) -> Iterator[int]:
    """Count what a policy and its origin sets are made of, as far as that takes little time."""
    yield 5 + len(policy.match)
    for rule in policy.rules:
        yield 5 + len(rule.origins)
        sets = (one for one in rule.origins[:SHORT] if isinstance(one, SetName))
        yield sum(len(policy_set.origin_sets[one.name]) for one in sets)


def document_steps(policy_set: PolicySet, names: Iterable[str]) -> Iterator[tuple[bool, bytes]]:
    """Write the document that `write_document` gives as JSON, in short steps.

    Args:
        policy_set: The policies.
        names: Those to write.

    Yields:
        Texts, each with whether it belongs to the origin sets, and what stands before them, or after them.
    """
    used: set[str] = set()
    used_headers: set[str] = set()
    yield False, b'},"policies":{'
    comma = b""
    for name in _sorted(names):
        if name is None:
            yield False, b""
            continue
        yield False, b"%b%b:" % (comma, write_json(name))
        used_headers |= policy_set.policies[name].uses_headers
        for text in _policy(policy_set.policies[name], used):
            yield False, text
        comma = b","
    yield False, b"}"
    before = b',"header_sets":{'
    for name in sorted(used_headers):
        yield False, b"%b%b:%b" % (before, write_json(name), write_json(policy_set.header_sets[name]))
        before = b","
    yield False, b"}}" if used_headers else b"}"
    yield True, b'{"version":%d,"origin_sets":{' % VERSION
    comma = b""
    for name in _sorted(used):
        if name is None:
            yield True, b""
            continue
        yield True, b"%b%b:[" % (comma, write_json(name))
        for text in _items(policy_set.origin_sets[name]):
            yield True, text
        yield True, b"]"
        comma = b","


def _sorted(names: Iterable[str]) -> Iterator[str | None]:
    """Sort names; None stands between two steps before the first is known."""
    parts: list[list[str]] = []
    for part in batches(names, _IN_A_STEP):
        parts.append(sorted(part))
        yield None
    yield from merge(*parts)


def _policy(policy: Policy, used: set[str]) -> Iterator[bytes]:
    if len(policy.match) + sum(5 + len(rule.origins) for rule in policy.rules) <= _IN_A_STEP:
        used |= policy.uses
        yield write_json(policy.as_dict())
        return
    yield b'{"match":['
    yield from _items(policy.match)
    yield b'],"preflight_status":%d,"rules":[' % policy.preflight_status
    comma = b""
    for rule in policy.rules:
        yield comma
        yield from _rule(rule, used)
        comma = b","
    yield b'],"static":true}' if policy.static else b"]}"


def _rule(rule: Rule, used: set[str]) -> Iterator[bytes]:
    rest = write_json(structs.replace(rule, origins=()).as_dict())
    begin = b'{"origins":['
    assert rest.startswith(begin)
    yield begin
    for part in batches(rule.origins, _IN_A_STEP):
        used.update(one.name for one in part if isinstance(one, SetName))
        yield b""
    yield from _items(rule.origins)
    yield rest[len(begin) :]


def _items(items: Sequence[Pattern | Match]) -> Iterator[bytes]:
    """Write what stands between the brackets of a list."""
    comma = b""
    for part in batches(items, _IN_A_STEP):
        texts = [one.text if isinstance(one, Match) else write_pattern(one) for one in part]
        yield comma + write_json(texts)[1:-1]
        comma = b","
