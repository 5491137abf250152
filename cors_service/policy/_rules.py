"""From the body of a rule or an origin set to a value, with the checks that a schema can't make."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from msgspec import Struct, structs

from cors_service.grammar.bound import WHOLE
from cors_service.grammar.expression import Expression
from cors_service.grammar.mistakes import Path, PolicyError, shown
from cors_service.grammar.nearest import nearest
from cors_service.grammar.pattern import (
    SET,
    OriginPattern,
    Pattern,
    SetName,
    is_ordinary,
    names_used,
    read_pattern,
    weight,
    write_pattern,
)
from cors_service.policy._coverage import Coverage
from cors_service.policy._dangers import Danger, dangers_of
from cors_service.policy._names import (
    Body,
    credentialed_header_problem,
    exposed_header_problem,
    header_names,
    malformed_header,
    note_if_any,
    numbered,
    read_exposed_headers,
    read_methods,
    read_request_headers,
    request_header_problem,
    strings,
    uses_of_headers,
)
from cors_service.policy._report import Place
from cors_service.policy._wrong_values import MAX_AGE, max_age_error
from cors_service.policy.model import Rule
from cors_service.policy.schema import DANGERS

_GRANTS: Final = {field.name for field in structs.fields(Rule)} - {"origins", "refuse"}
_MOST_WEIGHT: Final = 250_000
"""What the alternatives and expressions of a document may cost, in origins."""
MAX_EXPRESSIONS: Final = 20_000
"""Instructions of all expressions of a policy: an origin may take a step for each of them and each character."""


class OriginSet(Struct, frozen=True):
    """A named list of origin patterns.

    Attributes:
        patterns: The valid ones.
        is_whole: Whether all of them are valid.
        is_refused: Whether its name or its structure was refused.
        weight: What it costs, in origins.
        expressions: The instructions of its expressions.
    """

    patterns: tuple[OriginPattern, ...]
    is_whole: bool
    is_refused: bool
    weight: int
    expressions: int


class HeaderSet(Struct, frozen=True):
    """A named list of headers.

    Attributes:
        names: The valid ones, as rules have them.
        is_refused: Whether its name or its structure was refused.
    """

    names: tuple[str, ...]
    is_refused: bool

    @property
    def weight(self) -> int:
        """What it costs, in origins."""
        return len(self.names)


SetKey = tuple[str, str]
"""The table of a set, `origin_sets` or `header_sets`, and its name."""
ORIGIN_SETS: Final = "origin_sets"
HEADER_SETS: Final = "header_sets"
Sets = Mapping[SetKey, OriginSet | HeaderSet]


class Bindings(NamedTuple):
    """What the matches of a policy bind.

    Attributes:
        names: The name that each match binds; None among them for a match that binds nothing.
        is_known: Whether all matches could be read.
    """

    names: frozenset[str | None] = frozenset()
    is_known: bool = True


class ReadRule(NamedTuple):
    """A rule, and where it was read.

    Attributes:
        rule: The good parts of it.
        path: Where it is in the document.
        is_sound: Whether its origins have no mistakes.
        uses: The origin sets that it uses: the index of each among its origins, and the name.
        bindings: What the matches of its policy bind.
        uses_headers: The header sets that it uses: where, from the rule on, and the name.
        expressions: The instructions of its own expressions.
    """

    rule: Rule
    path: Path
    is_sound: bool
    uses: tuple[tuple[int, str], ...]
    bindings: Bindings
    expressions: int
    uses_headers: tuple[tuple[Path, str], ...] = ()

    @property
    def used(self) -> list[SetKey]:
        """The sets that it uses."""
        headers = [(HEADER_SETS, name) for _, name in self.uses_headers]
        return [*((ORIGIN_SETS, name) for _, name in self.uses), *headers]


def read_set(name: str, texts: Sequence[str | None], place: Place) -> OriginSet:
    """Read an origin set, and note every mistake in it."""
    is_refused = place.is_refused
    before = place.report.weight, place.report.expressions
    patterns: list[OriginPattern] = []
    for index, text in numbered(texts):
        pattern = text if is_ordinary(text) else _read_pattern(text, place.at(index))
        if isinstance(pattern, SetName):
            message = f"The origin set {shown(name)} holds another set, {shown(text)}."
            hint = "List its origins here, or use both sets in the rule."
            place.at(index).refuse("origin-set-nested", message, hint=hint, value=text)
        elif pattern is not None:
            patterns.append(pattern)
    return OriginSet(
        tuple(patterns),
        is_whole=len(patterns) == len(texts),
        is_refused=is_refused,
        weight=len(patterns) + place.report.weight - before[0],
        expressions=place.report.expressions - before[1],
    )


def read_header_set(name: str, texts: Sequence[str | None], place: Place) -> HeaderSet:
    """Read a header set, and note every mistake in it that does not depend on its use."""
    is_refused = place.is_refused
    for index, text in numbered(texts):
        if text[:1] == SET:
            message = f"The header set {shown(name)} holds another set, {shown(text)}."
            hint = "List its headers here, or use both sets in the rule."
            place.at(index).refuse("header-set-nested", message, hint=hint, value=text)
        else:
            note_if_any(malformed_header(text), place.at(index))
    return HeaderSet(header_names(tuple(texts)), is_refused=is_refused)


def read_rule(body: Body, place: Place, lifted: Collection[str], bindings: Bindings) -> ReadRule:
    """Read a rule of valid structure, and note every mistake that does not depend on origin sets.

    Args:
        body: Its table, or that of a flat policy.
        place: Where it is.
        lifted: What `dangerously_allow` of the policy names.
        bindings: What the matches of the policy bind.
    """
    if body.get("refuse"):
        return _read_refusal(body, place, bindings)
    max_age = body.get("max_age")
    if max_age is not None and not 0 <= max_age <= MAX_AGE:
        # The schema says so, too; its validator lets numbers of thousands of digits pass.
        place.at("max_age").note(max_age_error(max_age))
        max_age = None
    credentials: bool = body.get("credentials", False)
    dangers = tuple(sorted({*lifted, *strings(body.get("dangerously_allow", ()))}))
    expressions = place.report.expressions
    origins, uses, is_sound = _read_origins(body, place, credentials, dangers, bindings)
    rule = Rule(
        origins=origins,
        methods=read_methods(body, place),
        request_headers=read_request_headers(body, place),
        expose_headers=read_exposed_headers(body, place, credentials),
        credentials=credentials,
        # The schema takes 600.0 for an integer.
        max_age=None if max_age is None else int(max_age),
        timing=body.get("timing", False),
        resource_policy=body.get("resource_policy"),
        dangerously_allow=dangers,
    )
    size = place.report.expressions - expressions
    return ReadRule(rule, place.path, is_sound, uses, bindings, size, tuple(uses_of_headers(body)))


def _read_refusal(body: Body, place: Place, bindings: Bindings) -> ReadRule:
    """Read a rule that refuses its origins, whichever they are: nothing is dangerous about that."""
    granted = sorted(body.keys() & _GRANTS)
    if granted:
        message = f"The rule refuses its origins, and has {', '.join(granted)}."
        hint = "Remove these keys, or refuse = true."
        place.at(granted[0]).refuse("refuse-and-other-keys", message, hint=hint, value=granted[0])
    expressions = place.report.expressions
    origins, uses, is_sound = _read_origins(body, place, False, DANGERS, bindings)
    size = place.report.expressions - expressions
    return ReadRule(Rule(origins=origins, refuse=True), place.path, is_sound, uses, bindings, size)


class Uses:
    """Checks the use of sets by rules; what is dangerous in a set is found once for all rules that lift the same."""

    def __init__(self, root: Place, sets: Sets, *, is_complete: bool) -> None:
        """Check nothing yet.

        Args:
            root: The document.
            sets: All sets.
            is_complete: Whether every other set is unknown.
        """
        self._root = root
        self._sets = sets
        self._is_complete = is_complete
        self._dangers: dict[tuple[str, bool, Collection[str]], list[Danger]] = {}
        self._names: dict[str, list[OriginPattern]] = {}

    def check(self, read: ReadRule) -> None:
        """Note mistakes in the use of sets by a rule."""
        origins = self._root.at(*read.path, "origins")
        for index, name in read.uses:
            of_origins = self._sets.get((ORIGIN_SETS, name))
            if isinstance(of_origins, OriginSet):
                self._check_dangers(name, of_origins, read.rule, origins.at(index))
                self._check_names(name, of_origins, read.bindings, origins.at(index))
            elif self._is_complete:
                _refuse_unknown(ORIGIN_SETS, name, self._sets, origins.at(index))
        for path, name in read.uses_headers:
            of_headers = self._sets.get((HEADER_SETS, name))
            if isinstance(of_headers, HeaderSet):
                _check_headers_of(name, of_headers, read.rule, self._root.at(*read.path, *path))
            elif self._is_complete:
                _refuse_unknown(HEADER_SETS, name, self._sets, self._root.at(*read.path, *path))

    def _check_dangers(self, name: str, of_origins: OriginSet, rule: Rule, place: Place) -> None:
        lifted = DANGERS if rule.refuse else rule.dangerously_allow
        known = self._dangers.get((name, rule.credentials, lifted))
        for danger in known or ():
            danger.note(place)
        if known is None:
            found: list[Danger] = []
            for pattern in of_origins.patterns:
                for danger in dangers_of(pattern, rule.credentials, lifted, examples=place.report.has_room):
                    found.append(danger)
                    danger.note(place)
            self._dangers[name, rule.credentials, lifted] = found

    def _check_names(self, name: str, of_origins: OriginSet, bindings: Bindings, place: Place) -> None:
        if name not in self._names:
            self._names[name] = [pattern for pattern in of_origins.patterns if names_used(pattern)]
        for pattern in self._names[name]:
            _check_bindings(pattern, bindings, place)


def _refuse_unknown(table: str, name: str, sets: Sets, place: Place) -> None:
    kind = table.removesuffix("_sets")
    close = nearest(name, {known for where, known in sets if where == table}) if place.report.may_guess() else None
    hint = f"Did you mean @{close}?" if close else f"Define it in [{table}]."
    place.refuse(f"{kind}-set-unknown", f"There is no {kind} set {shown(name)}.", hint=hint, value=f"{SET}{name}")


def _check_headers_of(name: str, headers: HeaderSet, rule: Rule, place: Place) -> None:
    """Note what a header set holds that this use of it does not take."""
    problem = request_header_problem
    if place.path[-2] == "expose_headers":
        problem = credentialed_header_problem if rule.credentials else exposed_header_problem
    for error in filter(None, map(problem, headers.names)):
        if malformed_header(str(error.value)) is None:  # else the set itself is at fault
            message = f"{error.message.removesuffix('.')}; it is in the header set {shown(name)}."
            place.refuse(error.code, message, hint="Use another set here, or list names.", value=f"{SET}{name}")


def check_reachable(rules: Sequence[ReadRule], root: Place, sets: Sets) -> None:
    """Note every rule that earlier rules leave no origin; rules with mistakes are passed over.

    What earlier rules refuse is left out: in an incident one rule is added, and those that it overrules stay.
    """
    if len(rules) == 1:
        return
    covered = Coverage()
    for read in rules:
        patterns = _resolved(read, root, sets)
        if patterns is None:
            continue
        cleartext = read.rule.covers_cleartext
        if all(map(partial(covered.covers, cleartext=cleartext), patterns)):
            message = f"Rule {int(read.path[-1]) + 1} never decides: earlier rules cover each of its origins."
            root.at(*read.path).refuse("rule-unreachable", message, hint="Move it up, or remove it.")
        for pattern in () if read.rule.refuse else patterns:
            covered.add(pattern, cleartext=cleartext)


def check_expressions(rules: Sequence[ReadRule], root: Place, sets: Sets) -> None:
    """Note the rule with which the expressions of a policy become too many."""
    size = 0
    for read in rules:
        used = [sets.get((ORIGIN_SETS, name)) for _, name in read.uses]
        size += read.expressions + sum(one.expressions for one in used if isinstance(one, OriginSet))
        if size > MAX_EXPRESSIONS:
            message = f"The expressions of the policy make automata of more than {MAX_EXPRESSIONS} instructions."
            hint = "Write wildcards such as https://*.example.com, or list the origins; or split the policy."
            root.at(*read.path).refuse("regex-too-large", message, hint=hint)
            return


def _resolved(read: ReadRule, root: Place, sets: Sets) -> list[OriginPattern] | None:
    """The patterns of a rule, or None if it or a set that it uses has a mistake in its origins."""
    if not read.is_sound or not root.at(*read.path, "origins").is_sound:
        return None
    patterns: list[OriginPattern] = []
    for pattern in read.rule.origins:
        if not isinstance(pattern, SetName):
            patterns.append(pattern)
            continue
        of_origins = sets.get((ORIGIN_SETS, pattern.name))
        if not isinstance(of_origins, OriginSet) or not of_origins.is_whole:
            return None
        patterns += of_origins.patterns
    return patterns


def _read_pattern(text: str, place: Place) -> Pattern | None:
    try:
        pattern = read_pattern(text, hints=place.report.has_room)
    except PolicyError as error:
        place.note(error)
        return None
    report = place.report
    report.weight += weight(pattern) - 1
    if isinstance(pattern, Expression):
        report.expressions += pattern.size
    if report.weight > _MOST_WEIGHT:
        message = f"The alternatives and expressions of the document stand for more than {_MOST_WEIGHT} origins."
        hint = "Write wildcards such as https://*.example.com, or list the origins. What follows was not read."
        report.stop(place.path, PolicyError("too-many-origins", message, hint=hint, value=text))
    return pattern


def _read_origins(
    body: Body, place: Place, credentials: bool, dangers: Collection[str], bindings: Bindings
) -> tuple[tuple[Pattern, ...], tuple[tuple[int, str], ...], bool]:
    """Read the origins of a rule; give them, the sets among them with their indices, and whether all is well."""
    known = place.report.count
    texts = body.get("origins")
    if not texts and not place.at("origins").is_refused:
        hint = 'List at least one, or write origins = ["*"] for everybody.'
        where = place if texts is None else place.at("origins")
        where.refuse("no-origins", "The rule has no origins.", hint=hint)
    patterns: list[Pattern] = []
    uses: list[tuple[int, str]] = []
    for index, text in numbered(texts or ()):
        if is_ordinary(text):  # as are nearly all of a million
            patterns.append(text)
            continue
        pattern = _read_pattern(text, place.at("origins", index))
        if pattern is None:
            continue
        patterns.append(pattern)
        if isinstance(pattern, SetName):
            uses.append((index, pattern.name))
        else:
            where = place.at("origins", index)
            for danger in dangers_of(pattern, credentials, dangers, examples=place.report.has_room):
                danger.note(where)
            _check_bindings(pattern, bindings, where)
    is_sound = place.report.count == known and 0 < len(patterns) == len(texts or ())
    return tuple(patterns), tuple(uses), is_sound


def _check_bindings(pattern: OriginPattern, bindings: Bindings, place: Place) -> None:
    """Note every name in a pattern that the matches of the policy don't bind."""
    for name in sorted(names_used(pattern)) if bindings.is_known else ():
        if name not in bindings.names:
            host = f"<{name}>" if name == WHOLE else f"<{name}>.api.example.com"
            hint = f'Write match = ["{host}/"] on the policy, or an origin without <{name}>.'
            message = f"No match of the policy binds <{name}>."
            place.refuse("binding-unknown", message, hint=hint, value=write_pattern(pattern))
