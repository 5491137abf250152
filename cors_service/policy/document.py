"""Documents in and out: from texts or a structure to a checked policy set, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.pattern import write_pattern
from cors_service.policy._report import Source
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.policy.model import PolicySet
from cors_service.policy.revision import VERSION


def read_sources(sources: Sequence[Source], *, unreadable: Iterable[PolicyError] = ()) -> PolicySet:
    """Read the documents that together make up a policy set.

    Names are shared: a policy of one document may use the origin set of another.

    Args:
        sources: The texts.
        unreadable: A mistake for each document that could not be read; whatever such a document may define is not
            reported as missing.

    Raises:
        InvalidPolicies: With every mistake of every document, in the order of their names and lines.
    """
    return read_drafts([Draft(source) for source in sources], unreadable=unreadable)


def read_document(document: Mapping[str, Any]) -> PolicySet:
    """Read a policy document from a structure, such as one built by a program.

    Args:
        document: As `json.loads` would give it.

    Raises:
        InvalidPolicies: With every mistake of the document.
    """
    return read_drafts([Draft(None, document)])


def write_document(policy_set: PolicySet, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Write a policy set as a document; reading it gives an equal set of the same revision.

    Args:
        policy_set: The set.
        names: The policies to write, with the sets that they use; all by default.

    Returns:
        JSON types, with every default spelled out that there has always been.
    """
    wanted = policy_set.policies if names is None else {name: policy_set.policies[name] for name in names}
    used: set[str] = set().union(*(policy.uses for policy in wanted.values()))
    used_headers: set[str] = set().union(*(policy.uses_headers for policy in wanted.values()))
    document: dict[str, Any] = {
        "version": VERSION,
        "origin_sets": {name: [*map(write_pattern, policy_set.origin_sets[name])] for name in sorted(used)},
        "policies": {name: wanted[name].as_dict() for name in sorted(wanted)},
    }
    if used_headers:
        document["header_sets"] = {name: [*policy_set.header_sets[name]] for name in sorted(used_headers)}
    return document
