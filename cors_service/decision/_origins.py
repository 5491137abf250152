"""Finds the rule for an origin, at a cost that does not grow with the number of patterns.

Exact origins are in a hash table. Hosts with wildcards or port ranges are in a tree of labels for each scheme, last
label first, which is walked along the labels of the origin; their number is bounded. The ports of a node are intervals,
searched by bisection. RE2 matches all regular expressions in one pass. Other kinds of patterns have finders of their
own, and cost nothing where a policy has none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from msgspec import Struct

from cors_service.decision._addresses import AddressIndex
from cors_service.decision._any_host import AnyHostIndex
from cors_service.decision._bound import BoundIndex
from cors_service.decision._globs import GlobIndex
from cors_service.decision._ports import NO_RULE, Ports
from cors_service.decision.steps import BATCH, at_once, batches
from cors_service.grammar.addresses import AddressRange
from cors_service.grammar.bound import BoundHost
from cors_service.grammar.expression import Expression, automaton_of
from cors_service.grammar.origin import FILE, Origin, is_common, is_insecure_origin, is_label, read_origin
from cors_service.grammar.pattern import NULL, AnyOrigin, OriginPattern, expanded
from cors_service.grammar.single import Single
from cors_service.grammar.wildcard import AnyHost, Glob, Wildcard

NOT_COVERED: Final = -1
MALFORMED: Final = -2
NEEDS_URL: Final = -3
_FEW: Final = 1000
_NO_ORIGINS: Final[Mapping[str, int]] = MappingProxyType({})


# An expression, the index of its rule, and whether it may cover insecure origins.
_Regex = tuple[Expression, int, bool]


class _Finder(Protocol):
    """The patterns of one kind: all are added, then sealed, and then rules are found."""

    def add(self, pattern: Any, index: int, /) -> None: ...

    def seal(self) -> Iterator[None]: ...

    def find(self, origin: Origin, /) -> int: ...


_FINDERS: Final[Mapping[type[OriginPattern], Callable[[], _Finder]]] = {
    Glob: GlobIndex,
    AddressRange: AddressIndex,
    AnyHost: AnyHostIndex,
}


class Origins(Protocol):
    """Finds the first rule of a policy that covers an origin."""

    def find(self, origin: str) -> int: ...


class OriginIndex(Struct, eq=False, gc=False):
    """The origin patterns of a policy, compiled; it does not change once it is built.

    The garbage collector, which stops everything while it looks through what it tracks, tracks neither this nor what
    there is of each pattern.

    Attributes:
        bound: The patterns that use what is bound, which `find` knows nothing of; None if there are none.
        rules_for_any: The indices of the rules with `*`.
    """

    bound: BoundIndex | None = None
    rules_for_any: tuple[int, ...] = ()
    _any: int = NO_RULE
    _trees: dict[str, _Node] = {}
    _regexes: tuple[_Regex, ...] = ()
    _automaton: Any = None
    _finders: tuple[_Finder, ...] = ()
    _otherwise: int = NOT_COVERED
    _is_plain: bool = True
    _exact: Container[str] = ()
    _exact_rule: int | None = None
    _exact_rules: Mapping[str, int] = _NO_ORIGINS

    @classmethod
    def of(cls, rules: Iterable[tuple[Iterable[OriginPattern], bool]]) -> OriginIndex:
        """Compile patterns.

        Args:
            rules: For each rule its patterns, and whether its regular expressions may cover insecure origins.
        """
        return at_once(cls.in_steps(rules))

    @classmethod
    def in_steps(cls, rules: Iterable[tuple[Iterable[OriginPattern], bool]]) -> Generator[None, None, OriginIndex]:
        """Compile patterns in steps of at most a few milliseconds; for arguments see `of`."""
        index = cls()
        yield from index._made(rules)
        return index

    def _made(self, rules: Iterable[tuple[Iterable[OriginPattern], bool]]) -> Generator[None, None, None]:
        exact: dict[str, int] = {}
        regexes: list[_Regex] = []
        finders: dict[type[OriginPattern], _Finder] = {}
        for index, (patterns, insecure) in enumerate(rules):
            # An earlier rule may refuse everybody.
            decides = min(index, self._any)
            for some in batches(expanded(patterns)):
                for pattern in some:
                    if isinstance(pattern, str):
                        exact.setdefault(pattern, decides)
                    elif isinstance(pattern, Expression):
                        regexes.append((pattern, index, insecure))
                    else:
                        self._add(pattern, index, finders)
                yield
        self._regexes = tuple(regexes)
        # The size of all expressions of a policy is bounded, and so is the time that this takes.
        self._automaton = automaton_of([expression.text for expression, _, _ in regexes]) if regexes else None
        yield
        self._finders = tuple(finders.values())
        for tree in self._trees.values():
            yield from tree.seal()
        for finder in self._finders:
            yield from finder.seal()
        if self.bound is not None:
            yield from self.bound.seal()
        self._otherwise = self._any if self._any != NO_RULE else NOT_COVERED
        self._is_plain = not self._trees and not self._regexes and not self._finders
        if not self._is_plain:
            yield from self._settle(exact)
        yield from self._keep(exact)

    def _add(self, pattern: Single | AnyOrigin, index: int, finders: dict[type[OriginPattern], _Finder]) -> None:
        """Add a pattern that is neither an origin nor an expression."""
        if isinstance(pattern, Wildcard):
            self._trees.setdefault(pattern.scheme, _Node()).add(pattern, index)
        elif isinstance(pattern, AnyOrigin):
            if index not in self.rules_for_any[-1:]:
                self.rules_for_any += (index,)
            self._any = min(self._any, index)
        elif isinstance(pattern, BoundHost):
            self.bound = self.bound or BoundIndex()
            self.bound.add(pattern, index)
        else:
            kind = type(pattern)
            finder = finders.get(kind) or finders.setdefault(kind, _FINDERS[kind]())
            finder.add(pattern, index)

    def _keep(self, exact: dict[str, int]) -> Iterator[None]:
        """Keep exact origins in the table that is best for their number."""
        # A set has hash and key side by side, a dictionary does not: among a million origins, fetching memory is all
        # that a look-up costs. Few origins are in a dictionary of strings and numbers, which the garbage collector
        # does not track: there may be 100,000 of them.
        self._exact = exact
        if len(exact) > _FEW:
            self._exact = keys = set[str]()
            for some in batches(exact):
                keys.update(some)
                yield
        numbers: set[int] = set()
        for some_numbers in batches(exact.values()):
            numbers.update(some_numbers)
            yield
        self._exact_rule = numbers.pop() if len(numbers) == 1 else None
        self._exact_rules = exact if self._exact_rule is None else _NO_ORIGINS

    def find(self, origin: str) -> int:
        """Find the first rule that covers an origin.

        Args:
            origin: The value of an `Origin` header.

        Returns:
            The index of the rule, NOT_COVERED, or MALFORMED if no browser serialises an origin so.
        """
        if origin in self._exact:
            return self._exact_rules[origin] if self._exact_rule is None else self._exact_rule
        if (self._is_plain and is_common(origin)) or origin == NULL:
            return self._otherwise
        parsed = read_origin(origin)
        if parsed is None:
            return MALFORMED
        best = min(self._find_wild(origin, parsed), self._any)
        return best if best != NO_RULE else NOT_COVERED

    def find_left_out(self, origin: str) -> int:
        """The first rule with an expression that matches an origin and leaves it out as cleartext, or NOT_COVERED."""
        if self._automaton is None or not is_insecure_origin(origin):
            return NOT_COVERED
        matching = (self._regexes[position] for position in self._automaton.Match(origin) or ())
        return min((index for _, index, insecure in matching if not insecure), default=NOT_COVERED)

    def _settle(self, exact: dict[str, int]) -> Iterator[None]:
        """Give each exact origin to the wildcard of an earlier rule, if one covers it, so that `find` need not look."""
        for some in batches(exact.items(), 1 if self._regexes else BATCH // 10):
            for origin, index in some:
                parsed = read_origin(origin)
                if index and parsed is not None:
                    exact[origin] = min(index, self._find_wild(origin, parsed))
            yield

    def _find_wild(self, origin: str, parsed: Origin) -> int:
        tree = self._trees.get(parsed.scheme)
        best = NO_RULE if tree is None else tree.find(parsed)
        if self._automaton is not None:
            for position in self._automaton.Match(origin) or ():
                _, index, insecure = self._regexes[position]
                # Like `null`, files have to be listed.
                if index < best and (insecure or not is_insecure_origin(origin)) and origin != FILE:
                    best = index
        if self._finders:
            best = min(best, *(finder.find(parsed) for finder in self._finders))
        return best


class BoundOrigins:
    """The patterns of a policy for one request, with a name bound from its host."""

    __slots__ = ("_bound", "_index", "_refusing")

    def __init__(self, index: OriginIndex, bound: str | None, refusing: frozenset[int] | None) -> None:
        """Bind.

        Args:
            index: The patterns.
            bound: What is bound; None for nothing.
            refusing: The indices of the rules that refuse, where the URL of the request is missing.
        """
        self._index = index
        self._bound = bound
        self._refusing = refusing

    def find(self, origin: str) -> int:
        """Find the first rule that covers an origin.

        Returns:
            What `OriginIndex.find` gives, or NEEDS_URL for an origin that a rule may cover if the URL is known, where
            no other does, or an earlier one may refuse it.
        """
        found, hosts = self._index.find(origin), self._index.bound
        parsed = read_origin(origin)
        if parsed is None or hosts is None:
            return found
        if self._bound is None:
            return found if self._refusing is None else self._find_without_url(found, hosts.may_find(parsed))
        best = hosts.find(parsed, self._bound)
        return found if best == NO_RULE else best if found == NOT_COVERED else min(best, found)

    def _find_without_url(self, found: int, possible: set[int]) -> int:
        if found == NOT_COVERED:
            return NEEDS_URL if possible else found
        return NEEDS_URL if any(index < found for index in possible & (self._refusing or frozenset())) else found


class _Node(Struct, eq=False, gc=False):
    """A suffix, with the rules for the host itself, for one label before it, and for one or more labels."""

    _children: dict[str, _Node] = {}
    _ports: dict[str, Ports] = {}

    def add(self, wildcard: Wildcard, index: int) -> None:
        node = self
        for label in _labels(wildcard.host):
            node = node._children.setdefault(label, _Node())
        node._ports.setdefault(wildcard.subdomains, Ports()).add(*wildcard.ports, index)

    def seal(self) -> Iterator[None]:
        """Turn everything that was added to the tree into tables, in steps."""
        nodes = [self]
        while nodes:
            for node in [nodes.pop() for _ in range(min(len(nodes), BATCH))]:
                for ports in node._ports.values():
                    ports.seal()
                nodes.extend(node._children.values())
            yield

    def find(self, origin: Origin) -> int:
        labels = _labels(origin.host)
        # A wildcard stands for labels of plain characters only; those of the suffix are plain in any case.
        plain = is_label(origin.host.replace(".", "").encode("ascii"))
        best, node = NO_RULE, self
        for depth, label in enumerate(labels, start=1):
            child = node._children.get(label)
            if child is None:
                return best
            node = child
            if depth == len(labels):
                best = min(best, node._rule("", origin.port))
            elif plain and node._ports and "" not in labels[depth:]:
                best = min(best, node._rule("*", origin.port))
                if depth == len(labels) - 1:
                    best = min(best, node._rule("?", origin.port))
        return best

    def _rule(self, subdomains: str, port: int) -> int:
        ports = self._ports.get(subdomains)
        return NO_RULE if ports is None else ports.find(port)


def _labels(host: str) -> list[str]:
    """The labels of a host, last one first. An IPv6 address, which browsers write without dots, is one label."""
    labels = host.split(".")
    labels.reverse()
    return labels
