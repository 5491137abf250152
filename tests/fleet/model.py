"""What a fleet must have and answer: a series of changes, drawn from a seed, and the policies behind each of them.

The model shares no code with what decides: it reads a document as its page says. Only the revision, which names a set
of policies, is the product's own, computed from all of the document each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final, Literal, NamedTuple

from cors_service.ledger.edits import Body, Edit, as_document
from cors_service.ledger.entry import Key
from cors_service.policy import read_document, revision
from tests.naive import covers

POLICIES: Final = tuple(f"service-{number:02}" for number in range(60))
"""The names that policies may have; most of them exist at any time."""
ORIGINS: Final = tuple(f"https://page-{letter}.example" for letter in "abcdefgh")
"""The pages that ask."""
METHODS: Final = ("GET", "PUT", "DELETE")
SIZES: Final = (1, 1, 1, 1, 2, 3, 5, 8, 20, 50)
"""How many definitions a change touches."""

_SETS: Final = tuple(f"partners-{number}" for number in range(3))
_KEEPERS: Final = tuple(f"keeper-{name}" for name in _SETS)
"""Each uses one set, since a set that nobody uses is a mistake."""
_PATTERNS: Final = ORIGINS[:6]
_SET_PATTERNS: Final = (*ORIGINS[6:], "https://*.team.example")
"""Others than policies list, so that no rule makes another useless."""
_GONE: Final = 0.2
"""The share of edits that remove a policy."""

ANSWERED: Final = (*ORIGINS, "https://one.team.example")
"""The origins that are asked about."""
Verdict = Literal["allowed", "refused", "no-policy"]


class Question(NamedTuple):
    """What is asked: may a page of an origin send such a request to a service?"""

    policy: str
    origin: str
    method: str


class State(NamedTuple):
    """What there is behind a change.

    Attributes:
        number: That of the change; 0 for the first, which writes all that there is at first.
        revision: That of the policies.
        bodies: The definitions.
    """

    number: int
    revision: str
    bodies: Mapping[Key, Body]

    def verdict(self, question: Question) -> Verdict:
        """Judge as the document says."""
        policy = self.bodies.get(Key("policy", question.policy))
        if policy is None:
            return "no-policy"
        for rule in policy["rules"]:
            if any(covers(pattern, question.origin) for pattern in self._patterns(rule)):
                return "allowed" if question.method in rule["methods"] else "refused"
        return "refused"

    def _patterns(self, rule: Mapping[str, Any]) -> Iterator[str]:
        for pattern in rule["origins"]:
            if pattern.startswith("@"):
                yield from self.bodies[Key("origin-set", pattern[1:])]
            else:
                yield pattern


class Model:
    """A series of changes, and the policies behind each. No revision is there twice, so each names one state.

    Attributes:
        changes: The edits of each change, by its number.
        states: What there is behind each.
    """

    def __init__(self, seed: int, changes: int) -> None:
        """Draw it.

        Args:
            seed: The name of the series.
            changes: How many changes there are behind the first.
        """
        self._chance = Random(f"fleet/{seed}")
        self.changes: list[Sequence[Edit]] = []
        self.states: list[State] = []
        self._numbers: dict[str, int] = {}
        while len(self.states) <= changes:
            self._draw()

    @property
    def last(self) -> State:
        """What there is in the end."""
        return self.states[-1]

    def number(self, revision: str) -> int | None:
        """Which change leads to a revision; None if none does."""
        return self._numbers.get(revision)

    def _draw(self) -> None:
        before = self.states[-1].bodies if self.states else {}
        edits = self._edits(before)
        after = {
            key: body for key, body in {**before, **{edit.key: edit.body for edit in edits}}.items() if body is not None
        }
        named = revision(read_document(as_document(after)))
        if named not in self._numbers:
            self._numbers[named] = len(self.states)
            self.states.append(State(len(self.states), named, after))
            self.changes.append(edits)

    def _edits(self, before: Mapping[Key, Body]) -> list[Edit]:
        policies = [Key("policy", name) for name in POLICIES]
        sets = [Key("origin-set", name) for name in _SETS]
        if not before:
            keepers = [Edit(Key("policy", f"keeper-{name}"), _keeper(name)) for name in _SETS]
            drawn = (Edit(key, self._body(key)) for key in (*policies, *sets))
            return [*keepers, *(edit for edit in drawn if edit.body is not None)]
        keys = self._chance.sample([*policies, *sets], self._chance.choice(SIZES))
        drawn = (Edit(key, self._body(key)) for key in keys)
        return [edit for edit in drawn if edit.body is not None or edit.key in before]

    def _body(self, key: Key) -> Body | None:
        chance = self._chance
        if key.kind == "origin-set":
            return chance.sample(_SET_PATTERNS, chance.randint(1, 3))
        if chance.random() < _GONE:
            return None
        patterns = chance.sample([*_PATTERNS, f"@{chance.choice(_SETS)}"], chance.randint(2, 6))
        split = chance.randint(1, len(patterns))
        return {
            "rules": [
                {"origins": some, "methods": chance.sample(METHODS, chance.randint(1, len(METHODS)))}
                for some in (patterns[:split], patterns[split:])
                if some
            ]
        }


def _keeper(name: str) -> Body:
    return {"rules": [{"origins": [f"@{name}"], "methods": ["GET"]}]}


def draw_question(chance: Random) -> Question:
    """Draw something to ask."""
    return Question(chance.choice((*POLICIES, *_KEEPERS)), chance.choice(ANSWERED), chance.choice(METHODS))


def all_questions() -> Iterator[Question]:
    """Give everything that can be asked."""
    for policy in (*POLICIES, *_KEEPERS):
        for origin in ANSWERED:
            for method in METHODS:
                yield Question(policy, origin, method)
