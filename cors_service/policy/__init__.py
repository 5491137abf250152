"""What an organisation allows: origins, patterns, rules, policies, and the documents that hold them.

Pure: values in, values out. Nothing here imports Twisted, reads a clock, opens a policy file or logs.
"""

from cors_service.policy._change import Change
from cors_service.policy._document import (
    digest_of,
    read_document,
    read_drafts,
    read_sources,
    revision,
    revision_of,
    write_document,
)
from cors_service.policy._draft import Draft
from cors_service.policy._errors import CODES, InvalidPolicies, PolicyError, cut, dotted, shown
from cors_service.policy._model import Policy, PolicySet, Rule
from cors_service.policy._report import Source
from cors_service.policy._structure import SCHEMA
from cors_service.policy._summary import summarize

__all__ = [
    "CODES",
    "SCHEMA",
    "Change",
    "Draft",
    "InvalidPolicies",
    "Policy",
    "PolicyError",
    "PolicySet",
    "Rule",
    "Source",
    "cut",
    "digest_of",
    "dotted",
    "read_document",
    "read_drafts",
    "read_sources",
    "revision",
    "revision_of",
    "shown",
    "summarize",
    "write_document",
]
