"""Documents in and out: from one or several documents to a checked policy set, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from msgspec import structs

from cors_service.policy._errors import PolicyError, shown
from cors_service.policy._match import Match, parse_match
from cors_service.policy._model import Policy, PolicySet, Rule
from cors_service.policy._report import Place, Report, Source
from cors_service.policy._rules import OriginSets, check_reachable, check_set, read_rule
from cors_service.policy._structure import UNPARSED, Document, check_structure, parse_text

VERSION: Final = 1
_RULE_KEYS: Final = frozenset(field.name for field in structs.fields(Rule))
# A place and what it says there.
_Named = tuple[Place, Any]


def read_sources(sources: Sequence[Source], *, unreadable: Iterable[PolicyError] = ()) -> PolicySet:
    """Read the documents that together make up a policy set.

    Names are shared: a policy of one document may use the origin set of another.

    Args:
        sources: The texts.
        unreadable: A mistake for each document whose text could not be had; nothing is said to be missing
            that may stand in one of them.

    Raises:
        InvalidPolicies: With every mistake of every document, in the order of their names and lines.
    """
    report = Report(unreadable)
    documents: list[tuple[Place, Document]] = []
    for source in sources:
        place = Place(report, source)
        parsed = parse_text(source, place)
        if parsed is UNPARSED:
            report.complete = False
        else:
            documents.append((place, check_structure(parsed, place)))
    return _read(documents, report)


def read_document(document: Mapping[str, Any]) -> PolicySet:
    """Read a policy document that is a structure already, such as one built by a program.

    Args:
        document: As `json.loads` would give it.

    Raises:
        InvalidPolicies: With every mistake of the document.
    """
    report = Report()
    place = Place(report, None)
    return _read([(place, check_structure(document, place))], report)


def write_document(policy_set: PolicySet, names: Iterable[str] | None = None) -> Document:
    """Write a policy set as a document; reading it gives an equal set of the same revision.

    Args:
        policy_set: What is to be written.
        names: The policies wanted, with the origin sets that they use; all of both by default.

    Returns:
        JSON types, every default spelled out.
    """
    wanted = policy_set.policies if names is None else {name: policy_set.policies[name] for name in names}
    used = {
        pattern[1:]
        for policy in wanted.values()
        for rule in policy.rules
        for pattern in rule.origins
        if pattern[:1] == "@"
    }
    return {
        "version": VERSION,
        "origin_sets": {name: list(origins) for name, origins in policy_set.origin_sets.items() if name in used},
        "policies": {name: _write_policy(policy) for name, policy in wanted.items()},
    }


def revision(policy_set: PolicySet) -> str:
    """Name a policy set by its content: `sha256:` and the hash of its canonical document, in hexadecimal."""
    text = json.dumps(write_document(policy_set), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


def _write_policy(policy: Policy) -> Document:
    return {
        "match": list(policy.match),
        "preflight_status": policy.preflight_status,
        "rules": [_write_rule(rule) for rule in policy.rules],
    }


def _write_rule(rule: Rule) -> Document:
    # An absent header has no value to write, so these two keys are left out instead.
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in structs.asdict(rule).items()
        if value is not None
    }


def _read(documents: Sequence[tuple[Place, Document]], report: Report) -> PolicySet:
    sets = _collect(documents, "origin_sets", "origin-set-duplicate")
    bodies = _collect(documents, "policies", "policy-duplicate")
    origin_sets = {name: check_set(name, body, place) for name, (place, body) in sorted(sets.items())}
    policies: dict[str, Policy] = {}
    for name, (place, body) in sorted(bodies.items()):
        policy = _read_policy(name, body, place, origin_sets)
        if policy is not None:
            policies[name] = policy
    _check_matches(bodies)
    if report.complete:
        _check_used({name: place for name, (place, _) in sets.items()}, bodies)
        if not bodies:
            place = documents[0][0] if len(documents) == 1 else Place(report, None)
            hint = 'The smallest: [policies.public] and under it origins = ["*"]'
            place.refuse(PolicyError("no-policies", "There are no policies.", hint=hint))
    report.raise_if_any()
    named = {name: origin_set.patterns for name, origin_set in origin_sets.items()}
    return PolicySet(policies=MappingProxyType(policies), origin_sets=MappingProxyType(named))


def _collect(documents: Sequence[tuple[Place, Document]], key: str, code: str) -> dict[str, _Named]:
    """Merge one table of all documents; a name defined twice is a mistake that names both places."""
    found: dict[str, _Named] = {}
    for root, document in documents:
        for name, body in document.get(key, {}).items():
            place = root.at(key, name)
            if name in found:
                message = f"{shown(name)} is defined in {found[name][0].name} already."
                place.refuse(PolicyError(code, message, hint="Rename or remove one of them.", value=name))
            else:
                found[name] = (place, body)
    return found


def _read_policy(name: str, body: Document, place: Place, sets: OriginSets) -> Policy | None:
    flat = sorted(body.keys() & _RULE_KEYS - {"dangerously_allow"})
    if "rules" in body and flat:
        message = f"The policy has rules, and {', '.join(flat)} beside them."
        error = PolicyError("rules-and-flat-keys", message, hint="Move these keys into a rule.", value=flat[0])
        place.at(flat[0]).refuse(error)
    if place.at("rules").is_refused:
        return None
    # dangerously_allow of a policy holds for all its rules; that of a flat one is the rule's own.
    lifted = [flag for flag in body.get("dangerously_allow", ()) if flag is not None]
    tables = [(place, body)]
    if "rules" in body:
        tables = [(place.at("rules", index), rule) for index, rule in enumerate(body["rules"]) if rule is not None]
    rules = [(read_rule(table, where, sets, lifted), where) for where, table in tables]
    check_reachable(rules, sets)
    return Policy(
        name=name,
        rules=tuple(rule for rule, _ in rules),
        match=tuple(text for text in body.get("match", ()) if text is not None),
        # The schema takes 204.0 for 204.
        preflight_status=int(body.get("preflight_status", 204)),
    )


def _check_matches(bodies: Mapping[str, _Named]) -> None:
    """Note every `match` that is malformed, or that finds the URLs of another policy equally well."""
    owners: dict[Match, str] = {}
    for name, (place, body) in sorted(bodies.items()):
        for index, text in enumerate(body.get("match", ())):
            if text is None:
                continue
            here = place.at("match", index)
            try:
                match = parse_match(text)
            except PolicyError as error:
                here.refuse(error)
                continue
            owner = owners.setdefault(match, name)
            if owner != name:
                message = f"{shown(text)} finds the policy {shown(owner)} already."
                hint = "Give one of the two a longer path or a more specific host."
                here.refuse(PolicyError("match-ambiguous", message, hint=hint, value=text))


def _check_used(sets: Mapping[str, Place], bodies: Mapping[str, _Named]) -> None:
    """Note every origin set that no rule uses."""
    used: set[str] = set()
    for _, body in bodies.values():
        for rule in [body, *body.get("rules", ())]:
            origins = (rule or {}).get("origins", ())
            used.update(pattern[1:] for pattern in origins if pattern is not None and pattern[:1] == "@")
    for name, place in sorted(sets.items()):
        if name not in used and not place.is_refused:
            message = f"No policy uses the origin set {shown(name)}."
            hint = f'Use it in a rule as "@{name}", or remove it.'
            place.refuse(PolicyError("origin-set-unused", message, hint=hint, value=name))
