"""Divides the paths of a site into classes that the matches of two policy sets can't tell apart.

A path is followed along the matches of both sets at once, with what the engine itself follows it with. At each place,
the names that matches have there are tried, one that none has, and that with each ending. Only such ways are followed
as lead to a match that changed, or come from one.

A path that servers can read in several ways finds a policy if all readings do. Between two readings there are others,
each of which differs from the next in one choice at one place: whether parameters are cut, a dot is left out, two dots
lead back, or the path ends early. (Where a slash or another character is decoded, a name takes the place of one that no
match has, as it does where parameters are cut, or there is one such name more, as there is with a dot.) So if not all
readings find the same, two of them differ in one choice and find different policies, and there is a path with these two
alone. For each place and each choice, the two readings are followed side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from cors_service.algebra._addresses import TooMany
from cors_service.decision.places import Found, Place, Places
from cors_service.decision.routes import Routes
from cors_service.grammar.match import ANY

_MOST_STEPS: Final = 300_000
"""Of all sites together: some seconds."""
_NAMES = tuple[str | None, str | None]


class Keys:
    """The keys of matches, by what comes next.

    Attributes:
        ends: The keys.
        literals: The names of segments after each prefix.
        endings: The endings after each prefix.
        beneath: The policies beneath each prefix, and the names of segments that lead to them.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.ends = names
        self.literals: dict[str, dict[str, None]] = {}
        self.endings: dict[str, dict[str, None]] = {}
        self.beneath: dict[str, dict[str, dict[str, None]]] = {}
        for key, name in names.items():
            start = key.index("/") + 1
            while start < len(key):
                prefix, end = key[:start], key.find("/", start)
                ways = self.beneath.setdefault(prefix, {}).setdefault(name, {})
                if end < 0:
                    self.endings.setdefault(prefix, {})[key[start + len(ANY) :]] = None
                    break
                self.literals.setdefault(prefix, {})[key[start:end]] = ways[key[start:end]] = None
                start = end + 1


class _State(NamedTuple):
    """Where a path leads to.

    Attributes:
        places: The matches that may still fit, before and after.
        ended: The policies that it finds if it ends here.
        changed: The prefixes that fit, of matches that changed.
        with_endings: Those of these that have endings beneath.
    """

    places: tuple[Place, Place]
    ended: _NAMES
    changed: tuple[str, ...] = ()
    with_endings: tuple[str, ...] = ()

    @property
    def names(self) -> _NAMES:
        """The policies that it finds if it ends in a slash here."""
        one, other = self.places
        return _name(one.best), _name(other.best)

    @property
    def is_final(self) -> bool:
        """Whether it finds the same, whatever follows."""
        one, other = self.places
        return one.is_final and other.is_final and self.ended == self.names

    @property
    def matters(self) -> bool:
        """Whether it finds another policy after the change, or may do so later."""
        return self.ended[0] != self.ended[1] or self.differs or bool(self.changed or self.with_endings)

    @property
    def differs(self) -> bool:
        """Whether the best match is another one: another match of the same policy may leave others behind."""
        return self.places[0].best != self.places[1].best


class Path(NamedTuple):
    """A path that finds another policy after the change.

    Attributes:
        key: The match that changed, and fits a part of it.
        text: The path.
    """

    key: str
    text: str


class Paths:
    """The paths of the sites with the same matches."""

    def __init__(self, keys: tuple[Keys, Keys], changed: Keys, fresh: str) -> None:
        """Prepare.

        Args:
            keys: Those of both sets.
            changed: Those whose policy changed.
            fresh: A name that no match has.
        """
        self._keys = keys
        self._changed = changed
        self._fresh = fresh
        self._left = _MOST_STEPS

    def of(
        self,
        routes: tuple[Routes, Routes],
        fitting: tuple[Collection[str], Collection[str]],
        found: Callable[[str, str | None, str | None], bool],
    ) -> Iterator[Path]:
        """Give a path of each class that finds another policy.

        Args:
            routes: The matches of both sets.
            fitting: The authorities of those that can fit.
            found: Says whether a path finds these policies before and after; None stands for several.

        Raises:
            TooMany: There are too many classes.
        """
        one, other = (each.places([*hosts]) for each, hosts in zip(routes, fitting, strict=True))
        self._places = one, other
        self._known: dict[tuple[_State, str], _State] = {}
        authorities = dict.fromkeys([*fitting[0], *fitting[1]])
        roots = [f"{host}/" for host in authorities]
        hit = next((root for root in roots if root in self._changed.ends), "")
        start = self._start(roots)
        states: list[tuple[_State, str, str]] = []
        seen = {(start, hit)}
        waiting = deque([(start, "", hit)])
        while waiting:
            state, path, key = waiting.popleft()
            states.append((state, path, key))
            yield from self._plain(state, path, key)
            for segment in self._segments(state, every=state.differs):
                after = self._step(state, segment)
                key_after = self._hit(state, segment) or key
                if after.matters and (after, key_after) not in seen:
                    seen.add((after, key_after))
                    waiting.append((after, f"{path}/{segment}", key_after))
        yield from self._odd(states, found)

    def _start(self, roots: Iterable[str]) -> _State:
        one, other = (each.start() for each in self._places)
        changed = tuple(root for root in roots if root in self._changed.beneath)
        with_endings = tuple(root for root in changed if root in self._changed.endings)
        return _State((one, other), (_name(one.best), _name(other.best)), changed, with_endings)

    def _step(self, state: _State, segment: str) -> _State:
        found = self._known.get((state, segment))
        if found is None:
            if state.is_final and not state.changed:
                return state
            self._left -= 1
            if self._left < 0:
                raise TooMany
            found = self._known[state, segment] = self._stepped(state, segment)
        return found

    def _stepped(self, state: _State, segment: str) -> _State:
        (one, ended), (other, ended_after) = (
            _stepped(places, place, segment) for places, place in zip(self._places, state.places, strict=True)
        )
        nodes = [node for key in state.changed for node in (f"{key}{segment}/", f"{key}{ANY}/")]
        changed = tuple(node for node in nodes if node in self._changed.beneath)
        more = tuple(node for node in changed if node in self._changed.endings)
        return _State((one, other), (ended, ended_after), changed, (*state.with_endings, *more))

    def _hit(self, state: _State, segment: str) -> str:
        """The match that changed and that ends in a segment; nothing if there is none."""
        for key in state.changed:
            for node in (f"{key}{segment}/", f"{key}{ANY}/"):
                if node in self._changed.ends:
                    return node
        for key in state.with_endings:
            for ending in self._changed.endings[key]:
                if segment.endswith(ending):
                    return f"{key}{ANY}{ending}"
        return ""

    def _segments(self, state: _State, *, every: bool) -> list[str]:
        """A segment of each class that matches tell apart here; unless all are wanted, as far as the change does."""
        found: dict[str, None] = {self._fresh: None}
        for ending in self._endings(state):
            found[self._fresh + ending] = None
        for key in state.changed:
            found |= self._changed.literals.get(key, {})
        if every or ANY in found or state.with_endings:
            for keys, place in zip(self._keys, state.places, strict=True):
                for _, nodes in place.nodes:
                    for node in nodes:
                        found |= keys.literals.get(node, {})
        found.pop(ANY, None)
        return list(found)

    def _endings(self, state: _State) -> dict[str, None]:
        found: dict[str, None] = {}
        for keys, place in zip(self._keys, state.places, strict=True):
            for _, nodes in place.endings:
                for node in nodes:
                    found |= keys.endings.get(node, {})
        return found

    def _plain(self, state: _State, path: str, key: str) -> Iterator[Path]:
        """The paths that have one reading."""
        if state.names[0] != state.names[1]:
            # Beneath a match, it is of more use to show a path that is beneath, too.
            after = self._step(state, self._fresh)
            yield Path(key, f"{path}/{self._fresh}" if after.ended == state.names else f"{path}/")
        if state.ended[0] != state.ended[1] and state.ended != state.names:
            yield Path(key, path or "/")

    def _odd(
        self, states: Iterable[tuple[_State, str, str]], found: Callable[[str, str | None, str | None], bool]
    ) -> Iterator[Path]:
        """The paths with two readings that find a policy before or after, and not the other time."""
        seen: set[tuple[_State, _State]] = set()
        self._shown: set[object] = set()
        for state, path, key in states:
            waiting = deque(
                (one, other, f"{path}/{segment}")
                for one, other, segment in self._choices(state)
                if self._may_agree(one, other)
            )
            while waiting:
                one, other, text = waiting.popleft()
                if (one, other) in seen:
                    continue
                seen.add((one, other))
                for outcome, ended in (
                    (_both(one.ended, other.ended), text),
                    (_both(one.names, other.names), f"{text}/"),
                ):
                    if outcome is not None and outcome not in self._shown and found(ended, *outcome):
                        self._shown.add(outcome)
                        yield Path(key, ended)
                for segment in self._after(one, other):
                    pair = self._step(one, segment), self._step(other, segment)
                    if pair not in seen and self._may_agree(*pair):
                        waiting.append((*pair, f"{text}/{segment}"))

    def _choices(self, state: _State) -> Iterator[tuple[_State, _State, str]]:
        """A segment for each choice of a reading, and where both readings lead to."""
        yield state, self._step(state, "."), "."
        segments, endings = self._segments(state, every=True), ["", *self._endings(state)]
        for segment in segments:
            after = self._step(state, segment)
            for odd in (f"{segment};{ending}" for ending in endings):
                yield after, self._step(state, odd), odd
            yield self._step(after, ".."), state, f"{segment}/.."
            yield _ended(after), self._step(state, f"{segment}%3F"), f"{segment}%3F"

    def _after(self, one: _State, other: _State) -> Iterable[str]:
        """The segments that can follow two readings."""
        if one.is_final or other.is_final:
            fixed, free = (one, other) if one.is_final else (other, one)
            return self._toward(free, self._wanted(fixed))
        return dict.fromkeys([*self._segments(one, every=True), *self._segments(other, every=True)])

    def _toward(self, state: _State, wanted: Iterable[tuple[int, str]]) -> Iterable[str]:
        """The segments that can lead to one of some policies, or from it to another one."""
        found = dict.fromkeys([self._fresh, *(self._fresh + ending for ending in self._endings(state))])
        for side, name in wanted:
            if state.names[side] == name:
                found |= dict.fromkeys(self._segments(state, every=False))
            for _, nodes in state.places[side].nodes:
                for node in nodes:
                    found |= self._keys[side].beneath.get(node, {}).get(name, {})
        found.pop(ANY, None)
        return found

    def _may_agree(self, one: _State, other: _State) -> bool:
        """Whether one change or the other matters, and both readings may find the same policy before, or after it."""
        if one == other or not (one.matters or other.matters):
            return False
        if one.is_final and other.is_final:
            return _both(one.ended, other.ended) is not None
        for fixed, free in ((one, other), (other, one)):
            if fixed.is_final:
                return any(self._may_find(free, side, name) for side, name in self._wanted(fixed))
        return True

    def _wanted(self, fixed: _State) -> list[tuple[int, str]]:
        """The policies, before or after the change, that another reading would have to find, and none was seen to."""
        before, after = fixed.names
        found: list[tuple[int, str]] = []
        if before is not None and (before, None) not in self._shown:
            found.append((0, before))
        if after is not None and (None, after) not in self._shown:
            found.append((1, after))
        return found

    def _may_find(self, state: _State, side: int, name: str) -> bool:
        """Whether a path that begins so may find a policy."""
        if name in {state.ended[side], state.names[side]}:
            return True
        place, keys = state.places[side], self._keys[side]
        nodes = (node for _, some in (*place.nodes, *place.endings) for node in some)
        return any(name in keys.beneath.get(node, {}) for node in nodes)


def _name(found: Found | None) -> str | None:
    return found.name if found else None


def _final(place: Place) -> Place:
    """Nothing but the policy of a place matters where no match is beneath it."""
    return Place((), (), Found("", place.best.name) if place.best else None) if place.is_final else place


def _stepped(places: Places, place: Place, segment: str) -> tuple[Place, str | None]:
    if place.is_final:
        return place, _name(place.best)
    after, ended = places.step(place, segment)
    return _final(after), _name(ended)


def _ended(state: _State) -> _State:
    """Where a path leads to that a reading ends here, whatever follows."""
    before, after = (Place((), (), Found("", name) if name else None) for name in state.ended)
    return _State((before, after), state.ended)


def _both(one: _NAMES, other: _NAMES) -> _NAMES | None:
    """What two readings find together, if that is a policy before the change or after it, and not the same."""
    (before, after), (before_too, after_too) = one, other
    found = before if before == before_too else None, after if after == after_too else None
    is_told = before != before_too or after != after_too
    return found if is_told and found != (None, None) else None
