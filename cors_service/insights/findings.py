"""What follows from the lines: everything that is shown, as one value."""

from __future__ import annotations

from itertools import islice
from typing import Final

from msgspec import Struct, field

from cors_service.insights.lines import instant_of, seconds_of
from cors_service.insights.preflights import RuleCost, costs_of
from cors_service.insights.refusals import Refused, most_refused
from cors_service.insights.sums import Sums
from cors_service.insights.timeline import Point
from cors_service.insights.unused import UNSEEN_DAYS, Unused, unused
from cors_service.insights.wildcards import Wildcard, served_by_wildcards
from cors_service.policy import PolicySet

_LISTED: Final = 100
_REASONS: Final = 50
_PATTERNS: Final = 1000


class KindCount(Struct, frozen=True):
    """Decisions of one kind.

    Attributes:
        kind: What the requests were.
        allowed: Whether they were allowed; null where no page is involved.
        count: How many there were.
    """

    kind: str
    allowed: bool | None
    count: int


class Named(Struct, frozen=True):
    """Decisions by a policy, or by the policies of a revision.

    Attributes:
        name: The name of the policy, or the revision; null for requests without a policy.
        count: How many there were.
        last: When the last one was.
    """

    name: str | None
    count: int
    last: str


class Step(Struct, frozen=True):
    """What happened in a step of time.

    Attributes:
        at: When it began.
        allowed: Requests other than preflights that were decided and not refused.
        preflights: Preflights that were allowed.
        refused: Requests of both kinds that were refused.
        other: Decisions about which nothing else is known.
        undecided: Questions about which nothing could be decided.
    """

    at: str
    allowed: int
    preflights: int
    refused: int
    other: int
    undecided: int


class Traffic(Struct, frozen=True):
    """Traffic over time.

    Attributes:
        step: Seconds of a step.
        steps: Those in which there was something, in order.
    """

    step: int
    steps: list[Step]


class Undecided(Struct, frozen=True):
    """Questions about which nothing could be decided, for one reason.

    Attributes:
        reason: The code of the reason.
        count: How many there were.
        last: When the last one was.
    """

    reason: str
    count: int
    last: str


class Findings(Struct, frozen=True):
    """What the lines of a roll-up log say.

    Attributes:
        begin: When the first interval began; null if there is no line.
        end: When the last one ended.
        seconds: Seconds between.
        decisions: How many decisions there were.
        other: How many of them were not told apart, since there were too many different ones.
        masked: How many had an origin that was not written as it is.
        unplaced: How many were made by another revision, so that it is not known which rule they belong to.
        revision: The revision of the policies that this is about; null if they are not known.
        instances: How many services decided.
        kinds: Decisions by kind.
        revisions: Decisions by revision, the most frequent first, 100 at most.
        revisions_count: How many revisions there were; at least so many, if `revisions_missing` is not 0.
        revisions_missing: By how much their counts may be too small; 0 if they are exact.
        policies: Decisions by policy, the same.
        policies_count: How many policies there were, the same.
        policies_missing: By how much their counts may be too small; 0 if they are exact.
        traffic: Decisions over time.
        refusals: What was refused most, 100 at most.
        refusals_count: How many different ones there were; at least so many, if `refusals_missing` is not 0.
        refusals_missing: By how much counts of refusals may be too small; 0 if they are exact.
        undecided: Why nothing could be decided, the most frequent first, 50 reasons at most.
        undecided_count: How many reasons there were; at least so many, if `undecided_missing` is not 0.
        undecided_missing: By how much these counts may be too small; 0 if they are exact.
        preflights: What preflights cost, by rule, 100 at most; without policies, nothing.
        preflights_count: How many such rules there are.
        wildcards: Which origins wildcards served, the most used first, 1,000 at most; without policies, nothing.
        wildcards_count: How many wildcards served anybody.
        unused: What nobody used; null without policies.
    """

    begin: str | None = field(name="from")
    end: str | None = field(name="to")
    seconds: int
    decisions: int
    other: int
    masked: int
    unplaced: int
    revision: str | None
    instances: int
    kinds: list[KindCount]
    revisions: list[Named]
    revisions_count: int
    revisions_missing: int
    policies: list[Named]
    policies_count: int
    policies_missing: int
    traffic: Traffic
    refusals: list[Refused]
    refusals_count: int
    refusals_missing: int
    undecided: list[Undecided]
    undecided_count: int
    undecided_missing: int
    preflights: list[RuleCost]
    preflights_count: int
    wildcards: list[Wildcard]
    wildcards_count: int
    unused: Unused | None

    def count_of(self, *kinds: str, allowed: bool | None = None) -> int:
        """Count decisions.

        Args:
            kinds: Of these kinds.
            allowed: Only those that were, or were not; None for all.
        """
        return sum(one.count for one in self.kinds if one.kind in kinds and (allowed is None or one.allowed is allowed))

    @property
    def preflight_share(self) -> float | None:
        """How much of the requests across origins are preflights, from 0 to 1; None if there are none."""
        total = self.count_of("preflight", "actual")
        return self.count_of("preflight") / total if total else None


def findings_of(sums: Sums, days: int = UNSEEN_DAYS, policy_set: PolicySet | None = None) -> Findings:
    """Say what follows from lines.

    Args:
        sums: What they say together.
        days: Days for which an origin must not have been seen to be named.
        policy_set: The policies to say what nobody uses in; by default all that the sums are about.
    """
    active = sums.active
    if policy_set is None and active is not None:
        policy_set = active.policy_set
    costs, wildcards = costs_of(sums), served_by_wildcards(sums)
    return Findings(
        begin=sums.begin or None,
        end=sums.end or None,
        seconds=round(seconds_of(sums.end) - seconds_of(sums.begin)) if sums.begin else 0,
        decisions=sums.kinds.total() + sums.other,
        other=sums.other,
        masked=sums.masked,
        unplaced=sums.unplaced,
        revision=None if active is None else active.revision,
        instances=len(sums.instances),
        kinds=[KindCount(*key, count) for key, count in sorted(sums.kinds.items(), key=str)],
        revisions=[Named(*one) for one in islice(sums.revisions, _LISTED)],
        revisions_count=sums.revisions.distinct,
        revisions_missing=sums.revisions.missing,
        policies=[Named(*one) for one in islice(sums.policies, _LISTED)],
        policies_count=sums.policies.distinct,
        policies_missing=sums.policies.missing,
        traffic=Traffic(sums.timeline.step, list(map(_step, sums.timeline.points()))),
        refusals=most_refused(sums),
        refusals_count=sums.refusals.distinct,
        refusals_missing=sums.refusals.missing,
        undecided=[Undecided(*one) for one in islice(sums.undecided, _REASONS)],
        undecided_count=sums.undecided.distinct,
        undecided_missing=sums.undecided.missing,
        preflights=costs[:_LISTED],
        preflights_count=len(costs),
        wildcards=wildcards[:_PATTERNS],
        wildcards_count=len(wildcards),
        unused=None if policy_set is None else unused(sums, policy_set, days),
    )


def _step(point: Point) -> Step:
    return Step(instant_of(point.at), *point[1:])
