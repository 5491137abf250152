"""What an organisation allows: rules, policies, and the documents that hold them.

A document goes down through these modules: `document` reads texts and structures; each becomes a `draft` (parsed and
checked against the `schema`, its rules read by `_rules`); `assembly` makes a policy set of all drafts; `revision` names
it; `change` says what makes one set of another. The values are those of `model`.

Pure: values in, values out. Nothing here imports Twisted, reads a clock, opens a policy file or logs.
"""

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy._report import Source
from cors_service.policy.document import read_document, read_sources, write_document
from cors_service.policy.model import PolicySet
from cors_service.policy.revision import revision

__all__ = [
    "InvalidPolicies",
    "PolicyError",
    "PolicySet",
    "Source",
    "read_document",
    "read_sources",
    "revision",
    "write_document",
]
