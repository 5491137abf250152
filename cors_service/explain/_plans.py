"""Edits that may let a blocked exchange through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import takewhile
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct, structs

from cors_service.browser.request import is_forbidden_request_header, unsafe_request_header_names
from cors_service.decision import Decision
from cors_service.explain._asking import Asked
from cors_service.explain._edits import Add, Edit, Insert, Put, Split, Take, weight
from cors_service.grammar.match import parse_match
from cors_service.grammar.mistakes import Path, PolicyError
from cors_service.grammar.origin import FILE, is_insecure_origin
from cors_service.grammar.path import fold_path
from cors_service.grammar.pattern import NULL, SET
from cors_service.policy import PolicySet
from cors_service.policy.model import DEFAULT_METHODS, Policy, Rule

_MOST_RULES: Final = 20
"""Rules that an origin is tried in."""
_MANY: Final = 50
"""What counts as many grants."""
_ANY: Final = "*"
_AUTHORIZATION: Final = "authorization"
_SIMPLE: Final = ("GET", "POST")
"""What DEFAULT_METHODS has, without HEAD, which goes with GET."""


class Wanted(NamedTuple):
    """What the rule for a page has to grant.

    Attributes:
        origin: The origin of the page.
        method: The method.
        names: The headers that need a grant, in lower case.
        credentials: Whether cookies and the like are to go with it.
    """

    origin: str
    method: str
    names: tuple[str, ...]
    credentials: bool

    @classmethod
    def of(cls, asked: Asked) -> Wanted:
        """Say what an exchange needs."""
        request = asked.request
        names = unsafe_request_header_names(request.headers) if asked.has_preflight else ()
        return cls(request.origin, request.method, names, request.credentials)

    @property
    def dangers(self) -> tuple[str, ...]:
        """The dangers that a rule for this origin has to accept."""
        if self.origin == NULL:
            return ("null-origin",)
        if self.origin == FILE:
            return ("file-origin",)
        return ("insecure-origins",) if self.credentials and is_insecure_origin(self.origin) else ()

    def lacks(self, rule: Rule, policy_set: PolicySet) -> tuple[str, ...]:
        """The headers that a rule does not grant."""
        listed = policy_set.headers(rule.request_headers)
        prefixes = tuple(name[:-1] for name in listed if name[-1:] == _ANY)
        return tuple(
            name
            for name in self.names
            if name not in listed and (name == _AUTHORIZATION or not (prefixes and name.startswith(prefixes)))
        )

    def has_method(self, rule: Rule) -> bool:
        """Whether a rule grants the method."""
        return self.method in rule.methods or _ANY in rule.methods


class Plan(Struct, frozen=True):
    """Edits that belong together.

    Attributes:
        edits: The edits.
        overrules: The number of the rule that refused the page on purpose.
        width: Roughly, how much the rule grants beyond what is wanted.
        is_shared: Whether a rule that is for other pages, too, accepts what is dangerous then.
    """

    edits: tuple[Edit, ...]
    overrules: int | None = None
    width: int = 0
    is_shared: bool = False

    @property
    def rank(self) -> tuple[tuple[bool, int], int]:
        """The smaller, the better: small ones first, and of these what grants little besides."""
        return self.size, self.width

    @property
    def size(self) -> tuple[bool, int]:
        """How much it changes; a danger for others counts more than anything."""
        return self.is_shared, sum(map(weight, self.edits))


class Written(NamedTuple):
    """A policy, and how it is written.

    Attributes:
        policy: The policy.
        body: Its table in the document.
        policy_set: The set.
    """

    policy: Policy
    body: Mapping[str, Any]
    policy_set: PolicySet

    @property
    def path(self) -> Path:
        """Where it is in its document."""
        return ("policies", self.policy.name)

    def rule_path(self, index: int) -> Path:
        """Where a rule of it is."""
        return (*self.path, "rules", index) if "rules" in self.body else self.path

    def rule_body(self, index: int) -> Mapping[str, Any]:
        """The table of a rule of it."""
        table: Mapping[str, Any] = self.body["rules"][index] if "rules" in self.body else self.body
        return table


def plans(wanted: Wanted, decision: Decision, written: Written) -> Iterator[Plan]:
    """Give plans for an exchange that a policy decided about, those first that accept no further danger for others.

    Args:
        wanted: What the exchange needs.
        decision: What is decided about the preflight or the request, whichever is blocked.
        written: The policy that decided.
    """
    index = None if decision.rule is None else decision.rule - 1
    if index is None:
        yield from _listings(wanted, written)
        yield _own_rule(wanted, written, len(written.policy.rules), None)
        return
    rule = written.policy.rules[index]
    if rule.refuse:
        yield from _pardons(wanted, written, index)
        return
    edits = (*_unstatic(wanted, written), *_grants(wanted, written, index))
    has_others = written.rule_body(index)["origins"] != [wanted.origin]
    if edits:
        # With cookies, what the rule accepts becomes dangerous.
        is_shared = has_others and wanted.credentials and not rule.credentials and bool(rule.dangerously_allow)
        yield Plan(edits, is_shared=is_shared)
    yield _own_rule(wanted, written, index, rule)
    if edits and wanted.dangers:
        yield Plan((*edits, *_flags(wanted, written, index)), is_shared=has_others)


def _listings(wanted: Wanted, written: Written) -> Iterator[Plan]:
    """List the page in a rule that there is."""
    granting = [index for index, rule in enumerate(written.policy.rules) if not rule.refuse]
    for index in granting[:_MOST_RULES]:
        listed = Add((*written.rule_path(index), "origins"), wanted.origin)
        edits = (*_unstatic(wanted, written), listed, *_grants(wanted, written, index))
        yield Plan(edits, width=_width(written.policy.rules[index], wanted))


def _width(rule: Rule, wanted: Wanted) -> int:
    """Estimate how much a rule grants beyond what is wanted."""
    listed = (rule.methods, rule.request_headers, rule.expose_headers)
    names = sum(_MANY if name[-1:] == _ANY or name[:1] == SET else 1 for names in listed for name in names)
    return names + rule.timing + _MANY * (rule.credentials and not wanted.credentials)


def _unstatic(wanted: Wanted, written: Written) -> Iterator[Edit]:
    """Let a policy that names one origin to everybody name the one that asks."""
    if written.policy.static and wanted.origin not in written.policy.rules[0].origins:
        yield Take((*written.path, "static"))


def _grants(wanted: Wanted, written: Written, index: int) -> Iterator[Edit]:
    """Have a rule grant what is wanted."""
    rule, body, path = written.policy.rules[index], written.rule_body(index), written.rule_path(index)
    if not wanted.has_method(rule):
        if "methods" in body:
            yield Add((*path, "methods"), wanted.method)
        else:
            yield Put((*path, "methods"), [*_SIMPLE, wanted.method])
    names = wanted.lacks(rule, written.policy_set)
    if names and "request_headers" not in body:
        yield Put((*path, "request_headers"), list(names))
    else:
        yield from (Add((*path, "request_headers"), name) for name in names)
    if wanted.credentials and not rule.credentials:
        yield Put((*path, "credentials"), True)


def _flags(wanted: Wanted, written: Written, index: int) -> Iterator[Edit]:
    """Have a rule accept what is dangerous about the page."""
    body, path = written.rule_body(index), (*written.rule_path(index), "dangerously_allow")
    missing = [danger for danger in wanted.dangers if danger not in written.policy.rules[index].dangerously_allow]
    if missing and "dangerously_allow" not in body:
        yield Put(path, missing)
    else:
        yield from (Add(path, danger) for danger in missing)


def _own_rule(wanted: Wanted, written: Written, index: int, covering: Rule | None) -> Plan:
    """Give the page a rule of its own, with what it may do now and what is wanted."""
    rule = _written_rule(wanted, covering, written.policy_set)
    statics = tuple(_unstatic(wanted, written))
    if "rules" in written.body:
        edit: Edit = Insert((*written.path, "rules", index), rule)
    else:
        edit = Split(written.path, rule, index == 0)
    return Plan((*statics, edit))


def _pardons(wanted: Wanted, written: Written, index: int) -> Iterator[Plan]:
    """Let in a page that a rule refuses."""
    listed = [*written.rule_body(index)["origins"]]
    path, overrules = written.rule_path(index), index + 1
    granted = _written_rule(wanted, None, written.policy_set)
    puts = tuple(Put((*path, key), value) for key, value in granted.items() if key != "origins")
    turned = Plan((Take((*path, "refuse")), *puts), overrules=overrules)
    if listed == [wanted.origin]:
        if len(written.policy.rules) > 1:
            yield Plan((Take(path),), overrules=overrules)
        yield turned
    elif wanted.origin in listed:
        yield Plan((Take((*path, "origins", listed.index(wanted.origin))),), overrules=overrules)
    else:
        yield structs.replace(_own_rule(wanted, written, index, None), overrules=overrules)
        # Where a rule before it would leave it no origin, it is for no other page.
        yield structs.replace(turned, is_shared=True)


def _written_rule(wanted: Wanted, covering: Rule | None, policy_set: PolicySet) -> dict[str, Any]:
    """Write a rule for the page alone.

    Args:
        wanted: What is wanted.
        covering: The rule that covers it now, and whose grants it keeps.
        policy_set: The set.
    """
    granted = own_rule(wanted, covering, policy_set)
    written = granted.as_dict()
    defaults = Rule(origins=()).as_dict()
    kept = {key: value for key, value in written.items() if value != defaults.get(key)}
    if granted.methods != DEFAULT_METHODS:
        # GET implies HEAD, and nobody writes it.
        methods = [method for method in granted.methods if method != "HEAD" or "GET" not in granted.methods]
        kept["methods"] = methods
    elif covering is None:
        kept["methods"] = [wanted.method]
    order = ("origins", "methods")
    return {key: kept[key] for key in (*order, *(key for key in kept if key not in order)) if key in kept}


def own_rule(wanted: Wanted, covering: Rule | None, policy_set: PolicySet) -> Rule:
    """Make a rule for the page alone: it grants what another rule does, and what is wanted."""
    rule = Rule(origins=(), methods=()) if covering is None or covering.refuse else covering
    methods = rule.methods if wanted.has_method(rule) else (*rule.methods, wanted.method)
    if "GET" in methods and "HEAD" not in methods:
        methods = (*methods, "HEAD")  # as documents have it
    credentials = rule.credentials or wanted.credentials
    return structs.replace(
        rule,
        origins=(wanted.origin,),
        methods=methods,
        request_headers=(*rule.request_headers, *wanted.lacks(rule, policy_set)),
        # With credentials `*` is no list that a rule may have, since browsers take it for a name.
        expose_headers=tuple(name for name in rule.expose_headers if name != _ANY or not credentials),
        credentials=credentials,
        dangerously_allow=wanted._replace(credentials=credentials).dangers,
    )


def plans_for_url(asked: Asked, policy_set: PolicySet, taken: AbstractSet[str]) -> Iterator[Plan]:
    """Give plans for a URL that finds no policy: a policy of the same host that lets the page in, or a new one.

    Args:
        asked: The exchange.
        policy_set: The set.
        taken: The names that the new one can't have.
    """
    match = match_for(asked.request.url)
    if match is None:
        return
    host = match.partition("/")[0]
    for policy in policy_set.policies.values():
        if any(one.authority == host for one in policy.match):
            yield Plan((Add(("policies", policy.name, "match"), match),))
    wanted = Wanted.of(asked)
    rule = _written_rule(wanted, None, policy_set)
    name = _new_name(match, taken)
    yield Plan((Put(("policies", name), {"match": [match], **rule}),))


def match_for(url: str) -> str | None:
    """Write a match for a URL and what is beside it: all but the last segment of its path, if there are several."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    segments = [segment for segment in (fold_path(parts.path) or "/").split("/") if segment]
    beside = segments[:-1] if len(segments) > 1 else segments
    # In a match, a star is no character of a path: it would find other paths.
    beside = [*takewhile(lambda segment: _ANY not in segment, beside)]
    for path in ("".join(f"{segment}/" for segment in beside), ""):
        match = f"{parts.netloc.lower()}/{path}"
        try:
            parse_match(match)
        except PolicyError:
            continue
        return match
    return None


def _new_name(match: str, taken: AbstractSet[str]) -> str:
    """Name a policy after what it is for."""
    host, _, path = match.partition("/")
    last = [segment for segment in path.split("/") if segment][-1:]
    text = "".join(char if char.isascii() and char.isalnum() else "-" for char in (last or [host.partition(".")[0]])[0])
    name = text.strip("-")[:64] or "pages"
    return (
        name
        if name not in taken
        else next(f"{name}-{number}" for number in range(2, len(taken) + 3) if f"{name}-{number}" not in taken)
    )


def unlistable(names: Sequence[str]) -> list[str]:
    """The headers among these that no rule can list: in a list, a star makes a pattern of a name."""
    return [name for name in names if _ANY in name or is_forbidden_request_header(name, "")]
