"""What an organisation allows: rules, policies, and the documents that hold them.

Pure: values in, values out. Nothing here imports Twisted, reads a clock, opens a policy file or logs.
"""

from cors_service.grammar.mistakes import CODES, InvalidPolicies, PolicyError
from cors_service.policy._report import Source
from cors_service.policy._structure import SCHEMA
from cors_service.policy._summary import summarize
from cors_service.policy.document import read_document, read_sources, write_document
from cors_service.policy.model import Policy, PolicySet, Rule
from cors_service.policy.revision import revision

__all__ = [
    "CODES",
    "SCHEMA",
    "InvalidPolicies",
    "Policy",
    "PolicyError",
    "PolicySet",
    "Rule",
    "Source",
    "read_document",
    "read_sources",
    "revision",
    "summarize",
    "write_document",
]
