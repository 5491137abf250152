"""Keeps the decisions that replicas report, and says what they show: `/admin/v1/insights`, `/admin/v1/traffic`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from cors_service.access.callers import Caller
from cors_service.admin.compiled import Compiled
from cors_service.admin.decisions_file import DAY, HOUR, KEPT_DAYS, MINUTE, CannotKeep
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import AdminEndpoint, number, parameters
from cors_service.admin.kept_sums import KeptSums
from cors_service.admin.roll_ups import RollUps, Taken
from cors_service.admin.tree import AdminTree
from cors_service.insights.findings import Findings, Step, Traffic, findings_of
from cors_service.insights.lines import instant_of, seconds_of
from cors_service.insights.sums import RuleSums, Sums
from cors_service.insights.unused import UNSEEN_DAYS
from cors_service.insights.written import in_json
from cors_service.policy import PolicySet
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.warnings import Warnings
from cors_service.wire.json_text import write_json

FILE: Final = "decisions.db"
"""Its name in the directory of the process."""

_LONGEST: Final = 40
"""Characters of a time."""
# The first time that is too far away: what is rounded up from there must still be a time.
_FAR: Final = seconds_of("9999-01-01T00:00:00Z")
_STEPS: Final = 1000
"""Steps of an answer at most."""
_USUAL_STEPS: Final = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY)

_Result = TypeVar("_Result")


class KeptDecisions(Service):
    """Keeps reported decisions in a file. Another thread reads and writes it, so that the reactor never waits.

    Attributes:
        compiled: The policies by which decisions are judged.
    """

    _log: Final = Logger()

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        *,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        """Open the file, or make it.

        Args:
            path: The file.
            clock: The reactor.
            in_thread: Runs a function where it may block; gives a Deferred of the result.

        Raises:
            CannotKeep: It can't be used.
        """
        self._clock = clock
        self._in_thread = in_thread
        # Who reads does not keep those waiting who write.
        self._written, self._read = RollUps(path), KeptSums(path)
        self._writing, self._reading = DeferredLock(), DeferredLock()
        self.compiled = Compiled()
        self._said: set[str] = set()
        self._warnings = Warnings(clock)
        self._forgetting = LoopingCall(self.forget)
        self._forgetting.clock = clock

    def startService(self) -> None:
        """Begin to delete what is too old, now and then."""
        super().startService()
        self._forgetting.start(HOUR)

    async def _stopped(self) -> None:
        for lock, file in ((self._writing, self._written), (self._reading, self._read)):
            await lock.run(file.close)

    def stopService(self) -> Deferred[None]:
        """Wait for what is under way, and close the file."""
        super().stopService()
        if self._forgetting.running:
            self._forgetting.stop()
        return Deferred.fromCoroutine(self._stopped())

    def keep(self, instance: str, batch: str, lines: list[msgspec.Raw]) -> Deferred[Any]:
        """Keep lines, unless these were kept before.

        Args:
            instance: The name of the replica that sends them.
            batch: Their name, which no other lines of that replica have.
            lines: Each is JSON.

        Returns:
            A Deferred that fires when they are kept. It fails with a `Problem` if they can't be.
        """
        if not lines:
            return succeed(None)
        texts, now = [bytes(line) for line in lines], self._clock.seconds()
        taken = self._writing.run(self._in_thread, self._written.take, instance, batch, texts, now)
        return taken.addCallbacks(lambda done: self._report(instance, done), self._refuse)

    def forget(self) -> Deferred[None]:
        """Delete what is too old."""
        done = self._writing.run(self._in_thread, self._written.forget, self._clock.seconds())
        return done.addErrback(self._complain)

    def look(self, look: Callable[[KeptSums], _Result]) -> Deferred[_Result]:
        """Read something from the file.

        Args:
            look: Is called in another thread, and may take long.
        """
        return self._reading.run(self._in_thread, look, self._read)

    def insights(
        self, policy_set: PolicySet, begin: int, end: int, days: int, wanted: Callable[[str], bool] | None
    ) -> Deferred[Findings]:
        """Say what the decisions of a time show.

        Args:
            policy_set: The policies of today.
            begin: Seconds since 1970, a whole hour.
            end: The first second that is not asked about.
            days: Days for which an origin must not have been seen to be named.
            wanted: Says whether a policy is one of those that are asked about; None if all are.
        """

        def is_wanted(policy: str | None) -> bool:
            return wanted is None or (policy is not None and wanted(policy))

        def look(file: KeptSums) -> Findings:
            sums = Sums(self.compiled.of(policy_set))
            sums.add_all(file.lines(begin, end, is_wanted))
            hours = [Step(instant_of(one.at), *one[1:]) for one in file.hours(begin, end, is_wanted)]
            findings = findings_of(sums, days, policy_set if wanted is None else _part(policy_set, wanted))
            instances = len(file.instances(begin))
            return msgspec.structs.replace(findings, traffic=Traffic(HOUR, hours), instances=instances)

        return self.look(look)

    def uses(self, policy_set: PolicySet, policy: str, begin: int, end: int) -> Deferred[dict[int, RuleSums]]:
        """Say how often each rule of a policy decided; rules that did not are left out.

        Args:
            policy_set: The policies of today: what other revisions decided is given to the rules that would decide now.
            policy: The name of the policy.
            begin: Seconds since 1970, a whole hour.
            end: The first second that is not asked about.
        """

        def look(file: KeptSums) -> dict[int, RuleSums]:
            sums = Sums(self.compiled.of(policy_set))
            sums.add_all(file.lines(begin, end, lambda name: name == policy))
            return {number: found for (_, number), found in sums.rules.items()}

        return self.look(look)

    def _report(self, instance: str, taken: Taken) -> None:
        if taken.unread and taken.why not in self._said and len(self._said) < _STEPS:
            self._said.add(taken.why)
            self._log.warn(
                "{instance} reports lines that can't be read ({unread} this time): {why}",
                instance=instance,
                unread=taken.unread,
                why=taken.why,
            )

    def _refuse(self, failure: Failure) -> None:
        self._complain(failure)
        raise Problem(503, "reports-unavailable", "The report can't be kept; the log says why.")

    def _complain(self, failure: Failure) -> None:
        failure.trap(CannotKeep)
        self._warnings.warn("kept", f"Reported {failure.value}")


def mount_insights(tree: AdminTree, kept: KeptDecisions) -> None:
    """Keep what replicas report of their decisions, and answer what it shows."""
    tree.reports.lines = kept
    tree.mount(b"insights", InsightsEndpoint(tree.desk, kept))
    tree.mount(b"traffic", TrafficEndpoint(tree.desk, kept))


class _Times(Struct, frozen=True):
    begin: int
    end: int


class InsightsEndpoint(AdminEndpoint):
    """`/admin/v1/insights`: what the decisions of a time say about policies."""

    def __init__(self, desk: Desk, kept: KeptDecisions) -> None:
        super().__init__(desk)
        self._kept = kept

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Give what `cors-service insights --json` prints."""
        found = parameters(request, "from", "to", "policy", "days")
        times = _times(found, self.desk.clock.seconds(), KEPT_DAYS * DAY, HOUR)
        days = number(found, "days", UNSEEN_DAYS, KEPT_DAYS, least=1)
        policy_set = self.desk.changes.kept.policy_set
        wanted = _wanted(found.get("policy"), caller)

        async def look() -> Answer:
            findings = await self._kept.insights(policy_set, times.begin, times.end, days, wanted)
            return Answer(200, JSON, in_json(findings), {"Cache-Control": NO_STORE})

        return self.later(look)


class TrafficEndpoint(AdminEndpoint):
    """`/admin/v1/traffic`: how many requests there were, over time."""

    def __init__(self, desk: Desk, kept: KeptDecisions) -> None:
        super().__init__(desk)
        self._kept = kept

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Give the steps of a time."""
        if caller.policies is not None:
            raise Problem(403, "forbidden", "Only callers that may ask about all policies see their traffic.")
        found = parameters(request, "from", "to", "step")
        times = _times(found, self.desk.clock.seconds(), DAY, MINUTE)
        step = _step(found, times.end - times.begin)

        async def look() -> Answer:
            steps = await self._kept.look(lambda file: list(file.traffic(times.begin, times.end, step)))
            fields = {
                "from": instant_of(times.begin),
                "to": instant_of(times.end),
                "step": step,
                "steps": [{**one._asdict(), "at": instant_of(one.at)} for one in steps],
            }
            return Answer(200, JSON, write_json(fields), {"Cache-Control": NO_STORE})

        return self.later(look)


def _wanted(policy: str | None, caller: Caller) -> Callable[[str], bool] | None:
    """Say which policies are asked about; None for all.

    Raises:
        Problem: The caller may not ask about one.
    """
    if policy is None:
        return None if caller.policies is None else caller.may_touch
    if not caller.may_touch(policy):
        raise Problem(403, "forbidden", "This caller may not ask about this policy.")
    return policy.__eq__


def _part(policy_set: PolicySet, wanted: Callable[[str], bool]) -> PolicySet:
    """The policies that are asked about, and what they use."""
    policies = [policy for name, policy in policy_set.policies.items() if wanted(name)]
    origins = {name: policy_set.origin_sets[name] for policy in policies for name in policy.uses}
    headers = {name: policy_set.header_sets[name] for policy in policies for name in policy.uses_headers}
    return PolicySet.of(policies, origins, headers)


def _times(found: dict[str, str], now: float, usual: int, unit: int) -> _Times:
    """Read the time that is asked about; by default it ends now.

    Args:
        found: The parameters.
        now: Seconds since 1970.
        usual: Seconds that it has by default.
        unit: Seconds of which it has a whole number.

    Raises:
        Problem: There is no such time.
    """
    end = _instant(found, "to", now)
    begin = _instant(found, "from", end - usual)
    if begin >= end:
        raise Problem(400, "parameter-malformed", "The parameter 'from' must be before the parameter 'to'.")
    return _Times(int(begin // unit * unit), int(-(-end // unit) * unit))


def _instant(found: dict[str, str], name: str, default: float) -> float:
    text = found.get(name)
    if text is None:
        return default
    seconds = seconds_of(text) if text.endswith("Z") and len(text) <= _LONGEST else 0.0
    if not 0 < seconds < _FAR:
        detail = f"The parameter '{name}' must be a time in UTC before the year 9999, such as 2026-08-01T12:00:00Z."
        raise Problem(400, "parameter-malformed", detail)
    return seconds


def _step(found: dict[str, str], seconds: int) -> int:
    """Read the seconds of a step; by default a usual number that makes a few hundred steps.

    Raises:
        Problem: It is not a whole number of minutes, or makes too many steps.
    """
    usual = next((step for step in _USUAL_STEPS if seconds <= step * _STEPS // 4), DAY)
    step = number(found, "step", usual, KEPT_DAYS * DAY, least=MINUTE)
    if step % MINUTE:
        raise Problem(400, "parameter-malformed", "The parameter 'step' must be seconds that make whole minutes.")
    if seconds > step * _STEPS:
        raise Problem(400, "parameter-malformed", f"That would be more than {_STEPS} steps: make the step longer.")
    return step
