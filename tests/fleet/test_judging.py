"""The judge of fleets: it lets an honest one pass, and finds each fault that is planted into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from msgspec import structs

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.ledger.definitions import NOTHING, Definitions
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import Signed
from tests.fleet.judging import Answer, Confirmed, Judge
from tests.fleet.model import Model, Question, Verdict, draw_question
from tests.follow.histories import history

CHANGES = 30
QUESTIONS = 30
MODEL = Model(20261129, CHANGES)
ENTRIES = [step.signed for step in history(*(state.bodies for state in MODEL.states)).steps]


class Replica:
    """A replica that decides as the product does.

    Attributes:
        definitions: What it has.
        revision: What it says that it has.
    """

    def __init__(self) -> None:
        self.definitions = NOTHING
        self.revision = NOTHING.revision
        self._active = ActivePolicies(NOTHING.policy_set)

    def apply(self, edits: Sequence[Edit], revision: str | None = None) -> None:
        """Apply a change, and say that it has a revision; the one that it has if none is given."""
        self.have(self.definitions.changed({edit.key: edit.body for edit in edits}), revision)

    def have(self, definitions: Definitions, revision: str | None = None) -> None:
        """Have something."""
        self.definitions = definitions
        self.revision = revision or definitions.revision
        self._active = ActivePolicies(definitions.policy_set)

    def verdict(self, question: Question) -> Verdict:
        """Decide."""
        try:
            decision = self._active.decide(Query(question.method, question.policy, origins=(question.origin,)))
        except BadQuery:
            return "no-policy"
        return "allowed" if decision.allowed else "refused"


Fault = Callable[[Replica, int], None]
"""What a replica makes of a change, by its number."""


def honest(replica: Replica, number: int) -> None:
    """Apply a change."""
    replica.apply(MODEL.changes[number])


def judged(*follow: Fault, answer: Callable[[Answer], Answer] = lambda one: one) -> Judge:
    """Judge replicas, of which each follows in its own way; `answer` makes another of each answer that they give."""
    judge, chance, replicas, now = Judge(MODEL, len(follow)), Random(1), [Replica() for _ in follow], 0.0
    for number in range(CHANGES + 1):
        for which, replica in enumerate(replicas):
            follow[which](replica, number)
            for _ in range(QUESTIONS):
                asked = [draw_question(chance)]
                now += 1
                said = Answer(which, now, now + 0.5, 0.5, asked, [*map(replica.verdict, asked)], [replica.revision])
                judge.hear(answer(said))
    for which, replica in enumerate(replicas):
        judge.hear_status(which, replica.revision)
    judge.follow([[0.0]] * len(replicas))
    judge.read_ledger(ENTRIES, ENTRIES[-1].head)
    return judge


def test_an_honest_fleet() -> None:
    """Nothing is found where nothing is wrong, and every change is in force when the last replica has it."""
    judge = judged(honest, honest)
    assert judge.examples == []
    assert judge.answers == 2 * QUESTIONS * (CHANGES + 1)
    assert judge.enforced(2) == 2 * QUESTIONS * 2 + QUESTIONS + 1.5
    assert judge.enforced(CHANGES + 1) is None


def half(replica: Replica, number: int) -> None:
    """Apply a half of each large change, and believe the head that it is all of it."""
    edits = MODEL.changes[number]
    few = edits if number == 0 or len(edits) < 8 else edits[: len(edits) // 2]
    replica.apply(few, MODEL.states[number].revision)


def half_and_says_so(replica: Replica, number: int) -> None:
    """Apply a half of one change, and name the revision of that."""
    edits = MODEL.changes[number]
    large = max(range(1, CHANGES + 1), key=lambda one: len(MODEL.changes[one]))
    replica.apply(edits[: len(edits) // 2] if number == large else edits)


def skips(replica: Replica, number: int) -> None:
    """Leave out a change, and name the revision of the head."""
    replica.apply([] if number == CHANGES // 2 else MODEL.changes[number], MODEL.states[number].revision)


def keeps_what_is_removed(replica: Replica, number: int) -> None:
    """Remove nothing."""
    replica.apply([edit for edit in MODEL.changes[number] if edit.body is not None], MODEL.states[number].revision)


def stands_still(replica: Replica, number: int) -> None:
    """Follow no more from some change on."""
    if number < CHANGES // 2:
        honest(replica, number)


def goes_back(replica: Replica, number: int) -> None:
    """Serve what there was before once more."""
    if number == CHANGES // 2:
        replica.have(Definitions.of(MODEL.states[number - 2].bodies))
    elif number == CHANGES // 2 + 1:
        replica.have(Definitions.of(MODEL.states[number].bodies))
    else:
        honest(replica, number)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (half, {"mixed", "wider"}),
        (half_and_says_so, {"mixed", "differing"}),
        (skips, {"mixed", "wider"}),
        (keeps_what_is_removed, {"mixed", "wider"}),
        (stands_still, {"differing"}),
        (goes_back, {"back"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_replica_that_follows_wrongly(fault: Fault, words: set[str]) -> None:
    """A replica that has something else than it should is found, in the way that shows it."""
    assert set(judged(fault).counts) == words


def let_through(answer: Answer) -> Answer:
    """Let one page through, always."""
    one = answer.asked[0].origin == "https://page-a.example"
    return structs.replace(answer, verdicts=["allowed"]) if one else answer


def keep_back(answer: Answer) -> Answer:
    """Let one page through nowhere."""
    one = answer.asked[0].origin == "https://page-a.example" and answer.verdicts == ["allowed"]
    return structs.replace(answer, verdicts=["refused"]) if one else answer


def name_two(answer: Answer) -> Answer:
    """Answer several questions by two revisions."""
    return structs.replace(answer, revisions=[*answer.revisions, MODEL.last.revision])


def name_none(answer: Answer) -> Answer:
    """Answer by nothing that is known."""
    return structs.replace(answer, revisions=[])


@pytest.mark.parametrize(
    ("answer", "words"),
    [(let_through, {"wider"}), (keep_back, {"mixed"}), (name_two, {"mixed"}), (name_none, {"mixed"})],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_wrong_answers(answer: Callable[[Answer], Answer], words: set[str]) -> None:
    """A replica that has the right policies, and answers by something else, is found."""
    assert set(judged(honest, answer=answer).counts) == words


def lost(entries: list[Signed]) -> list[Signed]:
    """Lose the newest change."""
    return entries[:-1]


def left_out(entries: list[Signed]) -> list[Signed]:
    """Lose one in the middle."""
    return entries[:10] + entries[11:]


def made_twice(entries: list[Signed]) -> list[Signed]:
    """Make a change again that was made."""
    entry = structs.replace(entries[-1].entry, seq=len(entries) + 1, previous=entries[-1].hash)
    return [*entries, Signed.of(entry)]


def rewritten(entries: list[Signed]) -> list[Signed]:
    """Name another author."""
    changed = structs.replace(entries[5], entry=structs.replace(entries[5].entry, author="nobody"))
    return [*entries[:5], changed, *entries[6:]]


@pytest.mark.parametrize(
    "store", [lost, left_out, made_twice, rewritten], ids=lambda value: getattr(value, "__name__", None)
)
def test_a_store_that_loses(store: Callable[[list[Signed]], list[Signed]]) -> None:
    """A change that was made and is not in the ledger, or is there otherwise, is found."""
    judge, entries = Judge(MODEL, 1), store(list(ENTRIES))
    judge.read_ledger(entries, entries[-1].head)
    assert set(judge.counts) == {"lost"}


def test_a_restart() -> None:
    """What a replica answers behind a restart may be older than what it answered before; within a life, never."""
    for starts, found in (([0.0], 1), ([0.0, 2.0], 0)):
        judge = Judge(MODEL, 1)
        for sent, number in ((0.0, 5), (2.0, 4), (3.0, 6)):
            question = Question("service-00", "https://page-a.example", "GET")
            verdict: Any = MODEL.states[number].verdict(question)
            judge.hear(Answer(0, sent, sent + 0.5, 0.5, [question], [verdict], [MODEL.states[number].revision]))
        judge.follow([starts])
        assert judge.counts["back"] == found


def test_confirmed() -> None:
    """Once the admin process has said that all have a change, nobody answers by an older one, unless started anew."""
    question = Question("service-00", "https://page-a.example", "GET")
    for starts, found in (([0.0], 1), ([0.0, 4.0], 0), ([2.5], 0)):
        judge = Judge(MODEL, 1)
        for sent in (2.0, 5.0):
            verdict: Any = MODEL.states[4].verdict(question)
            judge.hear(Answer(0, sent, sent + 0.5, 0.5, [question], [verdict], [MODEL.states[4].revision]))
        judge.follow([starts], [Confirmed(4, 1.0, 1.5), Confirmed(5, 2.0, 3.0)])
        assert judge.counts == ({"overdue": found} if found else {})


def test_at_the_same_time() -> None:
    """An answer by the change before is no step back if it was asked for before the newer one was there."""
    judge = Judge(MODEL, 1)
    question = Question("service-00", "https://page-a.example", "GET")
    for sent, received, number in ((1.0, 2.0, 5), (1.5, 2.5, 4)):
        verdict: Any = MODEL.states[number].verdict(question)
        judge.hear(Answer(0, sent, received, 0.5, [question], [verdict], [MODEL.states[number].revision]))
    judge.follow([[0.0]])
    assert judge.examples == []
