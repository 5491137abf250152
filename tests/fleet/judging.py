"""Judges what a fleet answered: by the model of what it must answer, and by the order of its changes."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from cors_service.ledger.chain import verify
from cors_service.ledger.entry import Head, Signed
from tests.fleet.model import Model, Question, Verdict

_EXAMPLES: Final = 5
WRONG: Final = ("lost", "mixed", "wider", "back", "overdue", "differing")
"""What must never be: changes that are not in the ledger, answers that no revision gives, answers that let through
more than their revision, answers that are older than one before or than what the admin process had confirmed of all
replicas, replicas that have something else in the end."""


class Answer(Struct, frozen=True, array_like=True):
    """What a replica answered to a client; times are seconds of the monotonic clock, which all processes share.

    Attributes:
        replica: Its number.
        sent: When the client asked.
        received: When the answer was there.
        late: How long it took from when it was due, in seconds.
        asked: The questions, several if they were asked in one request.
        verdicts: The answer to each.
        revisions: Each revision that the answer names.
    """

    replica: int
    sent: float
    received: float
    late: float
    asked: list[Question]
    verdicts: list[Verdict]
    revisions: list[str]


class Confirmed(NamedTuple):
    """What the admin process said of all replicas: that they have a change.

    Attributes:
        number: The change.
        written: When it was made.
        at: When the admin process had said so.
    """

    number: int
    written: float
    at: float


_DECODER: Final = msgspec.json.Decoder(Answer)


def read_answers(lines: Iterable[bytes]) -> Iterator[Answer]:
    """Read the answers that a client wrote down."""
    return map(_DECODER.decode, lines)


class Judge:
    """Judges answers one by one, and changes in the end.

    Attributes:
        counts: How often something was found, by its word out of WRONG.
        examples: Some of what was found, in words.
        answers: How many answers there were.
    """

    def __init__(self, model: Model, replicas: int) -> None:
        """Make one.

        Args:
            model: What there must be.
            replicas: How many there are.
        """
        self.counts: Counter[str] = Counter()
        self.examples: list[str] = []
        self.answers = 0
        self._due, self._late = array("d"), array("d")
        self._model = model
        self._seen = [Seen() for _ in range(replicas)]

    def found(self, word: str, example: str) -> None:
        """Take note of something that must not be."""
        self.counts[word] += 1
        if self.counts[word] <= _EXAMPLES:
            self.examples.append(f"{word}: {example}")

    def hear(self, answer: Answer) -> None:
        """Judge an answer by its revision."""
        self.answers += 1
        self._due.append(answer.received - answer.late)
        self._late.append(answer.late)
        where = f"replica {answer.replica} at {answer.received:.3f}"
        number = self._model.number(answer.revisions[0]) if len(answer.revisions) == 1 else None
        if number is None:
            self.found("mixed", f"{where} names the revisions {answer.revisions}, which is not one that there is.")
            return
        state = self._model.states[number]
        for question, verdict in zip(answer.asked, answer.verdicts, strict=True):
            expected = state.verdict(question)
            if verdict != expected:
                word = "wider" if verdict == "allowed" else "mixed"
                self.found(word, f"{where}: change {number}: {question} is {expected}, and was answered {verdict}.")
        self._seen[answer.replica].add(answer.sent, answer.received, number)

    def hear_status(self, replica: int, revision: str | None) -> None:
        """Judge what a replica has in the end."""
        if revision != self._model.last.revision:
            number = None if revision is None else self._model.number(revision)
            self.found("differing", f"replica {replica} has change {number} in the end, revision {revision}.")

    def read_ledger(self, entries: Sequence[Signed], head: Head) -> None:
        """Judge what the store has in the end: each change once, in its order, in a chain that is whole."""
        for broken in verify(entries, head):
            self.found("lost", f"entry {broken.seq}: {broken.sentence}")
        # A store may have begun with an entry of its own.
        made = [signed.entry.revision for signed in entries if signed.entry.changes]
        for number, state in enumerate(self._model.states):
            if number >= len(made) or made[number] != state.revision:
                self.found("lost", f"change {number} is not in its place in the ledger.")
        if len(made) > len(self._model.states):
            self.found("lost", f"the ledger has {len(made) - len(self._model.states)} changes that nobody made.")

    def follow(self, starts: Sequence[Sequence[float]], confirmed: Sequence[Confirmed] = ()) -> None:
        """Judge the order of what each replica answered: within one life of it, nothing is older than what was before.

        Args:
            starts: When each replica was started, the first time and again.
            confirmed: What the admin process said of all replicas.
        """
        for replica, seen in enumerate(self._seen):
            for number, newest in seen.went_back(starts[replica]):
                self.found("back", f"replica {replica} answers by change {number} behind one by change {newest}.")
            for one in confirmed:
                end = _end_of_life(starts[replica], one)
                for number in seen.older(one.number, one.at, end):
                    self.found("overdue", f"replica {replica} answers by change {number}; all had confirmed {one}.")

    def late(self, begin: float, end: float) -> list[float]:
        """How long each answer took, in seconds, that was due within a time."""
        return [late for due, late in zip(self._due, self._late, strict=True) if begin <= due < end]

    def enforced(self, number: int) -> float | None:
        """When all replicas answered by a change or a newer one; None if one never did."""
        times = [seen.first(number) for seen in self._seen]
        known = [time for time in times if time is not None]
        return max(known) if len(known) == len(times) else None


class Seen:
    """Which changes a replica answered by, and when."""

    def __init__(self) -> None:
        self._sent, self._received, self._number = array("d"), array("d"), array("q")
        self._newest: array[int] | None = None

    def add(self, sent: float, received: float, number: int) -> None:
        """Take note of an answer."""
        self._sent.append(sent)
        self._received.append(received)
        self._number.append(number)
        self._newest = None

    def first(self, number: int) -> float | None:
        """When there was the first answer by a change or a newer one; None if there was none."""
        index = bisect_left(self._in_order(), number)
        return self._received[index] if index < len(self._received) else None

    def older(self, number: int, begin: float, end: float) -> Iterator[int]:
        """Give the changes before one by which it answered what was asked within a time."""
        self._in_order()
        for index in range(bisect_left(self._received, begin), bisect_left(self._received, end)):
            if self._sent[index] >= begin and self._number[index] < number:
                yield self._number[index]

    def went_back(self, starts: Sequence[float]) -> Iterator[tuple[int, int]]:
        """Give answers that are older than one which was there before they were asked for, in the same life.

        Yields:
            The number of the change that it answers by, and the newest before.
        """
        self._in_order()
        for life, start in enumerate(starts):
            end = starts[life + 1] if life + 1 < len(starts) else float("inf")
            first, behind = bisect_left(self._received, start), bisect_left(self._received, end)
            newest = _newest(self._number[first:behind])
            received = self._received[first:behind]
            for index in range(first, behind):
                before = bisect_right(received, self._sent[index])
                if before and self._number[index] < newest[before - 1]:
                    yield self._number[index], newest[before - 1]

    def _in_order(self) -> array[int]:
        """Bring answers into the order in which they were there, and give the newest change up to each."""
        if self._newest is None:
            order = sorted(range(len(self._received)), key=self._received.__getitem__)
            self._sent = array("d", (self._sent[index] for index in order))
            self._received = array("d", (self._received[index] for index in order))
            self._number = array("q", (self._number[index] for index in order))
            self._newest = _newest(self._number)
        return self._newest


def _end_of_life(starts: Sequence[float], confirmed: Confirmed) -> float:
    """When the life of a replica ended that had the change; the beginning of time if it began behind that.

    Whoever is started anew may have an older snapshot, and no store to ask.
    """
    began = bisect_right(starts, confirmed.written)
    return starts[began] if began < len(starts) else float("inf")


def _newest(numbers: Iterable[int]) -> array[int]:
    newest, found = -1, array("q")
    for number in numbers:
        newest = max(newest, number)
        found.append(newest)
    return found
