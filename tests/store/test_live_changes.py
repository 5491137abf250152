"""Tests of the holder of policies with a store that tells what changed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
from msgspec import structs
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from cors_service.decision.steps import at_once
from cors_service.policy import InvalidPolicies, PolicyError, PolicySet, read_document, revision
from cors_service.policy.change import Change
from cors_service.store import IPolicyStore, LivePolicies
from cors_service.store._slices import IDLE_SECONDS, SHARE, SLICE_SECONDS, in_slices
from tests.store.store_texts import document, now

Logged = list[tuple[str, str]]


@implementer(IPolicyStore)
class ScriptedStore:
    """A store that answers when the test says so, and as it says.

    Attributes:
        asked: What was asked for: the revision to begin at, and whether to read everything.
        changed: What is to be called for a change; None where nobody watches.
    """

    name = "scripted"

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, bool]] = []
        self.changed: Callable[[], object] | None = None
        self._loads: list[Deferred[Any]] = []
        self.stopped: Deferred[None] = Deferred()

    def read(self) -> Change:
        """Never asked for."""
        raise AssertionError

    def load(self, base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Begin to load."""
        self.asked.append((base, everything))
        self._loads.append(Deferred())
        return self._loads[-1]

    def watch(self, changed: Callable[[], object]) -> Callable[[], Deferred[None]]:
        """Remember whom to tell."""
        self.changed = changed
        return lambda: self.stopped

    def give(self, before: PolicySet | None, after: PolicySet, **more: Any) -> None:
        """End the load that began first with what leads from one set to the other."""
        base = None if before is None else revision(before)
        change = Change.between(base, before, revision(after), after)
        self._loads.pop(0).callback(structs.replace(change, **more))

    def refuse(self, error: Exception) -> None:
        """End the load that began first with a failure."""
        self._loads.pop(0).errback(error)


class Ticking(Clock):
    """A clock on which each look at it takes its time, so that nothing is done in no time.

    Attributes:
        turns: How often somebody let the reactor do other things first.
        each: What is done in each of these turns.
    """

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0
        self.each: Callable[[], object] = lambda: None

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - as Twisted calls it
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        """Count the turns."""
        self.turns += 1
        self.each()
        return super().callLater(delay, callable, *args, **kw)

    def seconds(self) -> float:
        """Give the time."""
        self.rightNow += 0.0004
        return super().seconds()


def policies(*names: str) -> PolicySet:
    """Make a policy set."""
    return read_document(document(*names))


def active(live: LivePolicies) -> list[str]:
    """Give the names of the policies that decide now."""
    return [] if live.active is None else sorted(live.active.policy_set.policies)


@pytest.fixture
def store() -> ScriptedStore:
    """Give a store that the test controls."""
    return ScriptedStore()


@pytest.fixture
def live(store: ScriptedStore) -> LivePolicies:
    """Give the holder of that store's policies, with the policy `one`, started."""
    live = LivePolicies(store, Clock(), in_thread=execute)
    live.activate(policies("one"))
    live.startService()
    return live


def test_store() -> None:
    """The store of these tests is one."""
    assert verifyObject(IPolicyStore, ScriptedStore())


def test_change(live: LivePolicies, store: ScriptedStore, logged: Logged) -> None:
    """What the store tells of is asked for from the revision that is active, and becomes active."""
    assert store.changed is not None
    store.changed()
    assert store.asked == [(revision(policies("one")), False)]
    store.give(policies("one"), policies("one", "two"))
    assert (active(live), live.status.generation, live.status.policies) == (["one", "two"], 2, 2)
    assert revision(policies("one", "two")) == live.status.revision
    assert logged[-1] == ("info", f"Revision {live.status.revision} of scripted is active: 2 policies")


def test_reload(live: LivePolicies, store: ScriptedStore) -> None:
    """Who asks for a reload has everything read; a change that is told meanwhile is no reason to do so again."""
    reloading = live.reload()
    assert store.changed is not None
    store.changed()
    store.give(policies("one"), policies("two"))
    assert not reloading.called
    store.give(policies("two"), policies("two"))
    assert reloading.called
    assert store.asked == [(revision(policies("one")), True), (revision(policies("two")), False)]


def test_reload_while_loading(live: LivePolicies, store: ScriptedStore) -> None:
    """A reload that is asked for while a change is loaded has everything read behind it."""
    assert store.changed is not None
    store.changed()
    live.reload()
    store.give(policies("one"), policies("two"))
    assert [everything for _, everything in store.asked] == [False, True]


def test_from_nothing(store: ScriptedStore) -> None:
    """Where nothing is active yet, everything is loaded."""
    live = LivePolicies(store, Clock(), in_thread=execute)
    live.startService()
    store.give(None, policies("one"))
    assert (active(live), store.asked) == (["one"], [(None, True)])


def test_nothing_changed(live: LivePolicies, store: ScriptedStore, logged: Logged) -> None:
    """A change of nothing leaves what is active as it is."""
    before = live.active
    live.reload()
    store.give(policies("one"), policies("one"))
    assert (before, 1) == (live.active, live.status.generation)
    assert "is still at revision" in logged[-1][1]


@pytest.mark.parametrize(
    "error", [InvalidPolicies([PolicyError("syntax", "wrong")]), RuntimeError("the process has ended")], ids=repr
)
def test_mistakes(live: LivePolicies, store: ScriptedStore, nothing_left_behind: list[Any], error: Exception) -> None:
    """What can't be loaded changes nothing but the status; the next good change becomes active."""
    live.reload()
    store.refuse(error)
    assert (active(live), live.status.stale, len(live.status.mistakes)) == (["one"], True, 1)
    live.reload()
    store.give(policies("one"), policies("two"))
    assert (active(live), live.status.stale) == (["two"], False)
    nothing_left_behind.clear()


def test_change_of_something_else(live: LivePolicies, store: ScriptedStore, nothing_left_behind: list[Any]) -> None:
    """A change that does not begin at what is active is not made active."""
    live.reload()
    store.give(policies("other"), policies("other", "two"))
    assert (active(live), live.status.stale) == (["one"], True)
    nothing_left_behind.clear()


def test_in_slices(store: ScriptedStore) -> None:
    """A large change is made ready in many turns of the reactor; until then what was active decides, and holds."""
    clock = Ticking()
    live = LivePolicies(store, clock, in_thread=execute)
    live.activate(policies("one"))
    seen: list[object] = []
    clock.each = lambda: seen.append(live.active)
    reloading = live.reload()
    before = live.active
    store.give(policies("one"), policies(*(f"policy-{number}" for number in range(100))))
    clock.pump([0.0] * 1000)
    assert reloading.called
    assert len(active(live)) == 100
    assert set(seen) == {before, live.active}
    assert seen.count(before) > 30
    assert clock.getDelayedCalls() == []


def test_frees_in_slices(store: ScriptedStore) -> None:
    """What a large change makes superfluous is freed in many turns of the reactor: nothing holds it as a whole."""
    clock = Ticking()
    live = LivePolicies(store, clock, in_thread=execute)
    before = policies(*(f"policy-{number}" for number in range(100)))
    live.activate(before)
    assert live.active is not None
    was = weakref.ref(live.active)
    is_there: list[bool] = []
    clock.each = lambda: is_there.append(was() is not None) if active(live) == ["one"] else None
    live.reload()
    store.give(before, policies("one"))
    clock.pump([0.0] * 1000)
    assert len(is_there) > 30
    assert not any(is_there)


@pytest.mark.parametrize(
    "origins",
    [
        [f"https://a{number}.example" for number in range(5000)],
        [f"https://*.a{number}.example" for number in range(5000)],
        [f"https://{{0,1,2,3}}{{0,1,2,3}}{{0,1,2,3}}{{0,1,2,3}}.a{number}.example" for number in range(20)],
        [f"re:https://[a-z]{{1,60}}{number}" for number in range(70)],
    ],
    ids=["origins", "wildcards", "alternatives", "expressions"],
)
def test_large_policy(store: ScriptedStore, origins: list[str]) -> None:
    """A large policy is made ready in many turns, too, and what it costs is counted after it is written out."""
    clock = Ticking()
    live = LivePolicies(store, clock, in_thread=execute)
    live.activate(policies("one"))
    reloading = live.reload()
    store.give(policies("one"), read_document({"version": 1, "policies": {"large": {"origins": origins}}}))
    clock.pump([0.0] * 1000)
    assert reloading.called
    assert active(live) == ["large"]
    assert clock.turns > 10


def test_stop_waits(live: LivePolicies, store: ScriptedStore) -> None:
    """A stop waits for what is under way, and for the store."""
    live.reload()
    ends: list[object] = []
    live.stopService().addCallback(ends.append)
    store.give(policies("one"), policies("two"))
    assert ends == []
    store.stopped.callback(None)
    assert ends == [None]


def test_good_set_beside_mistakes(live: LivePolicies, store: ScriptedStore, logged: Logged) -> None:
    """A good set that stands in for one with mistakes becomes active, and the status has the mistakes and is stale."""
    live.reload()
    wrong = InvalidPolicies([PolicyError("syntax", "wrong")])
    store.give(policies("one"), policies("one", "two"), mistakes=wrong, loaded_at=17.0)
    status = live.status
    assert (active(live), status.stale, status.loaded_at) == (["one", "two"], True, 17.0)
    assert [mistake["message"] for mistake in status.mistakes] == ["wrong"]
    live.reload()
    store.give(policies("one", "two"), policies("one", "two"))
    assert (live.status.stale, live.status.generation) == (False, 2)
    assert logged.count(("info", "The policies of scripted are good again")) == 1


# Slices.


def counted(steps: int) -> Generator[None, Any, None]:
    """Take so many steps."""
    for _ in range(steps):
        yield None


def test_slices() -> None:
    """Steps that take no time are one slice; those that take time are several, with a turn of the reactor between."""
    fast, slow = Clock(), Ticking()
    now(Deferred.fromCoroutine(in_slices(counted(100), fast)))
    assert fast.getDelayedCalls() == []
    ends: list[object] = []
    Deferred.fromCoroutine(in_slices(counted(100), slow)).addCallback(ends.append)
    slow.pump([0.0] * 1000)
    assert (ends, slow.turns > 30) == ([None], True)


class Busy(Clock):
    """A clock on which each turn of the reactor takes its time, and each step.

    Attributes:
        step: Seconds of a step.
        turn: Seconds of a turn.
        turns: How many turns there were.
    """

    def __init__(self, step: float, turn: float) -> None:
        super().__init__()
        self.step = step
        self.turn = turn
        self.turns = 0

    def callLater(self, *arguments: Any, **keys: Any) -> IDelayedCall:
        """Let a turn go by."""
        self.turns += 1
        self.rightNow += self.turn
        return super().callLater(*arguments, **keys)

    def steps(self, count: int) -> Generator[None, Any, None]:
        """Take so many steps."""
        for _ in range(count):
            self.rightNow += self.step
            yield None


@pytest.mark.parametrize("step", [2 * SLICE_SECONDS, 20 * SLICE_SECONDS], ids=["short steps", "long steps"])
@pytest.mark.parametrize(
    "turn", [0.0, IDLE_SECONDS / 2, 2 * IDLE_SECONDS, 1.0], ids=["idle", "nearly idle", "busy", "very busy"]
)
def test_gives_way(turn: float, step: float) -> None:
    """Between two slices the reactor has turns until it is idle; if it is not, as many as make up three slices."""
    turns = max(1.0, SHARE * step / turn) if turn > IDLE_SECONDS else 2.0
    slices, clock = 20, Busy(step, turn)
    ends: list[object] = []
    Deferred.fromCoroutine(in_slices(clock.steps(slices), clock)).addCallback(ends.append)
    clock.advance(0)
    assert ends == [None]
    assert turns <= clock.turns / slices <= turns + 1


def test_result() -> None:
    """What the steps return is what comes out."""

    def steps() -> Generator[None, None, str]:
        yield
        return "result"

    assert now(Deferred.fromCoroutine(in_slices(steps(), Clock()))) == "result"


def test_at_once() -> None:
    """Before the reactor runs, all steps are taken one after the other."""

    def steps() -> Generator[None, None, str]:
        yield
        return "result"

    assert at_once(steps()) == "result"


def test_step_that_fails() -> None:
    """A step that fails is the failure of all."""

    def steps() -> Generator[None, None, float]:
        yield
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        now(Deferred.fromCoroutine(in_slices(steps(), Clock())))
