"""From the body of a rule or an origin set to a value, with the checks that a schema can't make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from msgspec import Struct, structs

from cors_service.grammar.bound import WHOLE
from cors_service.grammar.expression import Expression
from cors_service.grammar.mistakes import Path, PolicyError, shown
from cors_service.grammar.origin import FILE
from cors_service.grammar.pattern import (
    ANY,
    NULL,
    SET,
    OriginPattern,
    Pattern,
    SetName,
    covers_files,
    expanded,
    is_insecure,
    is_ordinary,
    names_used,
    read_pattern,
    spans_registrants,
    weight,
    write_pattern,
)
from cors_service.grammar.similar import closest
from cors_service.grammar.tokens import (
    is_forbidden_exposed_header,
    is_forbidden_method,
    is_forbidden_request_header,
    is_forbidden_request_prefix,
    is_token,
    normalize_method,
)
from cors_service.grammar.wildcard import AnyHost
from cors_service.policy._coverage import Coverage
from cors_service.policy._report import Place
from cors_service.policy.model import DEFAULT_METHODS, Rule
from cors_service.policy.schema import DANGERS, MAX_AGE, max_age_error, quoted

Body = Mapping[str, Any]
"""The table of a rule. Parts that the schema refused are missing, or None in a list."""

_LISTS: Final = 256
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
    for index, text in _numbered(texts):
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
    for index, text in _numbered(texts):
        if text[:1] == SET:
            message = f"The header set {shown(name)} holds another set, {shown(text)}."
            hint = "List its headers here, or use both sets in the rule."
            place.at(index).refuse("header-set-nested", message, hint=hint, value=text)
        else:
            _note(_malformed_header(text), place.at(index))
    return HeaderSet(_names(tuple(texts)), is_refused=is_refused)


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
    dangers = tuple(sorted({*lifted, *_strings(body.get("dangerously_allow", ()))}))
    expressions = place.report.expressions
    origins, uses, is_sound = _read_origins(body, place, credentials, dangers, bindings)
    rule = Rule(
        origins=origins,
        methods=_read_methods(body, place),
        request_headers=_read_request_headers(body, place),
        expose_headers=_read_exposed_headers(body, place, credentials),
        credentials=credentials,
        # The schema takes 600.0 for an integer.
        max_age=None if max_age is None else int(max_age),
        timing=body.get("timing", False),
        resource_policy=body.get("resource_policy"),
        dangerously_allow=dangers,
    )
    size = place.report.expressions - expressions
    return ReadRule(rule, place.path, is_sound, uses, bindings, size, tuple(_uses_of_headers(body)))


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


def check_uses(read: ReadRule, root: Place, sets: Sets, *, is_complete: bool) -> None:
    """Note mistakes in the use of sets by a rule.

    Args:
        read: The rule.
        root: The document.
        sets: All sets.
        is_complete: Whether every other set is unknown.
    """
    rule, origins = read.rule, root.at(*read.path, "origins")
    lifted = DANGERS if rule.refuse else rule.dangerously_allow
    for index, name in read.uses:
        of_origins = sets.get((ORIGIN_SETS, name))
        if isinstance(of_origins, OriginSet):
            for pattern in of_origins.patterns:
                _check_danger(pattern, rule.credentials, lifted, origins.at(index))
                _check_bindings(pattern, read.bindings, origins.at(index))
        elif is_complete:
            _refuse_unknown(ORIGIN_SETS, name, sets, origins.at(index))
    for path, name in read.uses_headers:
        of_headers = sets.get((HEADER_SETS, name))
        if isinstance(of_headers, HeaderSet):
            _check_headers_of(name, of_headers, rule, root.at(*read.path, *path))
        elif is_complete:
            _refuse_unknown(HEADER_SETS, name, sets, root.at(*read.path, *path))


def _refuse_unknown(table: str, name: str, sets: Sets, place: Place) -> None:
    kind = table.removesuffix("_sets")
    close = closest(name, (known for where, known in sets if where == table)) if place.report.may_guess() else ""
    hint = f"Did you mean @{close}?" if close else f"Define it in [{table}]."
    place.refuse(f"{kind}-set-unknown", f"There is no {kind} set {shown(name)}.", hint=hint, value=f"{SET}{name}")


def _check_headers_of(name: str, headers: HeaderSet, rule: Rule, place: Place) -> None:
    """Note what a header set holds that this use of it does not take."""
    problem = _request_header_problem
    if place.path[-2] == "expose_headers":
        problem = _credentialed_exposed_header_problem if rule.credentials else _exposed_header_problem
    for error in filter(None, map(problem, headers.names)):
        if _malformed_header(str(error.value)) is None:  # else the set itself is at fault
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
        if all(map(covered.covers, patterns)):
            message = f"Rule {int(read.path[-1]) + 1} never decides: earlier rules cover each of its origins."
            root.at(*read.path).refuse("rule-unreachable", message, hint="Move it up, or remove it.")
        for pattern in () if read.rule.refuse else patterns:
            covered.add(pattern)


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
        pattern = read_pattern(text)
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
    for index, text in _numbered(texts or ()):
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
            _check_danger(pattern, credentials, dangers, place.at("origins", index))
            _check_bindings(pattern, bindings, place.at("origins", index))
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


def _check_danger(pattern: OriginPattern, credentials: bool, lifted: Collection[str], place: Place) -> None:
    """Note a pattern that a rule must not have unless its author has lifted the refusal."""
    if pattern == NULL:
        if "null-origin" not in lifted:
            message = "`null` is the origin of every sandboxed frame, whoever made it."
            hint = 'Remove it, or add dangerously_allow = ["null-origin"].'
            place.refuse("null-origin", message, hint=hint, value=NULL)
        return
    if "file-origin" not in lifted and covers_files(pattern):
        message = f"`{FILE}` is the origin of every page that is opened from a file, whoever wrote it."
        hint = 'Remove it, or add dangerously_allow = ["file-origin"].'
        place.refuse("file-origin", message, hint=hint, value=write_pattern(pattern))
    if not credentials or (isinstance(pattern, str) and pattern.startswith("https://")):
        return
    text = write_pattern(pattern)
    if pattern == ANY:
        message = "`*` with credentials would let every site act as the user."
        hint = "List the origins, or drop credentials."
        place.refuse("any-origin-with-credentials", message, hint=hint, value=text)
    elif danger := _any_host_problem(pattern, text, lifted):
        place.note(danger)
    elif "insecure-origins" not in lifted and is_insecure(pattern):
        message = f"{shown(text)} is not encrypted: anybody on the network can act as the user."
        hint = 'Use https, or add dangerously_allow = ["insecure-origins"].'
        place.refuse("insecure-origin", message, hint=hint, value=text)
    elif "public-suffix-subdomains" not in lifted and spans_registrants(pattern):
        message, hint = _about_strangers(pattern, text)
        place.refuse("public-suffix-subdomains", message, hint=hint, value=text)


def _any_host_problem(pattern: OriginPattern, text: str, lifted: Collection[str]) -> PolicyError | None:
    """What is wrong with a pattern that stands for any host of a scheme, in a rule with credentials."""
    found = [one for one in expanded([pattern]) if isinstance(one, AnyHost)]
    if any(one.has_network for one in found):
        message = f"{shown(text)} with credentials would let every site act as the user."
        hint = "List the origins, or drop credentials."
        return PolicyError("any-origin-with-credentials", message, hint=hint, value=text)
    if found and "any-host" not in lifted:
        message = f"{shown(text)} covers everything that has an origin of its scheme, whoever wrote it."
        hint = 'List the origins, or add dangerously_allow = ["any-host"].'
        return PolicyError("any-host", message, hint=hint, value=text)
    return None


def _about_strangers(pattern: OriginPattern, text: str) -> tuple[str, str]:
    """What is wrong with a pattern for domains of strangers, and what to write instead."""
    flag = 'or add dangerously_allow = ["public-suffix-subdomains"].'
    if not isinstance(pattern, Expression):
        return f"{shown(text)} covers domains that anybody can register.", f"Name the domain, {flag}"
    message = (
        f"{shown(text)} may cover domains that anybody can register: with credentials, each alternative of an "
        "expression must end in a registered domain, written out with `\\.` for each dot, and a port if need be."
    )
    if pattern.with_escaped_dots:
        return message, f"Write '{pattern.with_escaped_dots}', {flag}"
    return message, rf"Let it end as 're:https://[a-z0-9-]+\.example\.com(:[0-9]+)?' does, {flag}"


def _read_methods(body: Body, place: Place) -> tuple[str, ...]:
    written = tuple(body.get("methods", DEFAULT_METHODS))
    if not _are_good(_method_problem, written):
        for index, method in _numbered(written):
            _note(_method_problem(method), place.at("methods", index))
    return _methods(written)


def _read_request_headers(body: Body, place: Place) -> tuple[str, ...]:
    written = tuple(body.get("request_headers", ()))
    if not _are_good(_request_header_problem, written):
        for index, name in _numbered(written):
            _note(_request_header_problem(name), place.at("request_headers", index))
    return _names(written)


def _read_exposed_headers(body: Body, place: Place, credentials: bool) -> tuple[str, ...]:
    written = tuple(body.get("expose_headers", ()))
    problem = _credentialed_exposed_header_problem if credentials else _exposed_header_problem
    if not _are_good(problem, written):
        for index, name in _numbered(written):
            _note(problem(name), place.at("expose_headers", index))
    return _names(written)


def _method_problem(method: str) -> PolicyError | None:
    if not is_token(method):
        message = f"{shown(method)} is not a method name."
        return PolicyError("method-malformed", message, hint=_as_items(method), value=method)
    if is_forbidden_method(method):
        message = f"Browsers don't let pages send {shown(method)}."
        return PolicyError("method-forbidden", message, hint="Remove it.", value=method)
    return None


def _malformed_header(name: str) -> PolicyError | None:
    bare = name.removesuffix("*") if name != "*" else "x"
    if is_token(bare) and "*" not in bare:
        return None
    hint = _as_items(name) or "Write one name, prefix-* or * in each item."
    return PolicyError("request-header-malformed", f"{shown(name)} is not a header name.", hint=hint, value=name)


def _request_header_problem(name: str) -> PolicyError | None:
    if name[:1] == SET:
        return None
    if malformed := _malformed_header(name):
        return malformed
    bare = name.removesuffix("*") or "x"
    is_forbidden = is_forbidden_request_prefix if name[-1:] == "*" and name != "*" else is_forbidden_request_header
    if is_forbidden(bare.lower()):
        message = f"{shown(name)} is not a header that a page can set."
        return PolicyError("request-header-forbidden", message, hint="Remove it.", value=name)
    return None


def _exposed_header_problem(name: str) -> PolicyError | None:
    if name == "*" or name[:1] == SET:
        return None
    if not is_token(name) or "*" in name:
        hint = _as_items(name) or "Write one name or * in each item."
        return PolicyError("expose-header-malformed", f"{shown(name)} is not a header name.", hint=hint, value=name)
    if is_forbidden_exposed_header(name.lower()):
        message = f"{shown(name)} is not a response header that a page can read."
        return PolicyError("expose-header-forbidden", message, hint="Remove it.", value=name)
    return None


def _credentialed_exposed_header_problem(name: str) -> PolicyError | None:
    if name != "*":
        return _exposed_header_problem(name)
    message = "With credentials, browsers take `*` for the name of a header."
    hint = "List the headers that pages may read."
    return PolicyError("any-header-with-credentials", message, hint=hint, value=name)


def _as_items(text: str) -> str:
    """What to write for several names in one item of a list; nothing if these are not names."""
    words = quoted(text)
    return f"Write {words}." if "," in words and all(map(is_token, words.replace('"', "").split(", "))) else ""


def _uses_of_headers(body: Body) -> Iterator[tuple[Path, str]]:
    """Where a rule uses header sets, and which."""
    for key in ("request_headers", "expose_headers"):
        for index, name in _numbered(body.get(key, ())):
            if name[:1] == SET:
                yield (key, index), name.removeprefix(SET)


def _note(problem: PolicyError | None, place: Place) -> None:
    if problem is not None:
        place.note(problem)


def _numbered(items: Iterable[Any]) -> Iterable[tuple[int, str]]:
    """The items that are strings, with their indices; the schema has reported the others."""
    return ((index, item) for index, item in enumerate(items) if item is not None)


def _strings(items: Iterable[Any]) -> list[str]:
    return [item for item in items if item is not None]


# Many policies have the same few lists: each is read once, and takes up memory once.


@lru_cache(maxsize=_LISTS)
def _are_good(problem: Callable[[str], PolicyError | None], written: tuple[Any, ...]) -> bool:
    return not any(map(problem, _strings(written)))


@lru_cache(maxsize=_LISTS)
def _methods(written: tuple[Any, ...]) -> tuple[str, ...]:
    methods: list[str] = []
    for method in map(normalize_method, _strings(written)):
        methods += ["GET", "HEAD"] if method == "GET" else [method]
    return tuple(dict.fromkeys(methods))


@lru_cache(maxsize=_LISTS)
def _names(written: tuple[Any, ...]) -> tuple[str, ...]:
    # str.lower maps the Kelvin sign to `k`; names outside ASCII stay as they are, and are refused as malformed.
    return tuple(
        dict.fromkeys(name.lower() if name.isascii() and name[:1] != SET else name for name in _strings(written))
    )
