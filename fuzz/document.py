"""The document reader: all it says about bad documents is true, and good ones survive being written and read again.

The first byte of an input is `J` for JSON, anything else for TOML; the document follows.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import tomli_w

from cors_service.decision import ActivePolicies, Query
from cors_service.grammar.match import parse_match
from cors_service.grammar.mistakes import CODES
from cors_service.grammar.pattern import write_pattern
from cors_service.policy import (
    InvalidPolicies,
    PolicyError,
    PolicySet,
    Source,
    read_document,
    read_sources,
    revision,
    write_document,
)
from cors_service.policy.model import Policy
from cors_service.policy.summary import summarize
from cors_service.wire.json_text import write_json
from fuzz import checked, pattern

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# Of a rule: more show nothing that these don't.
_PATTERNS, _NAMES = 4, 32


def check(data: bytes) -> None:
    """Read a document; then hold the mistakes against its text, or write it and decide by it."""
    form, text = "json" if data[:1] == b"J" else "toml", data[1:].decode("utf-8", "replace")
    try:
        policy_set = read_sources([Source("fuzzed", form, text)])
    except InvalidPolicies as invalid:
        for mistake in invalid.mistakes:
            _check_mistake(mistake, form, text)
        return
    _check_written(policy_set)
    active = ActivePolicies(policy_set)
    assert active.revision == revision(policy_set)
    for policy in policy_set.policies.values():
        _check_policy(policy, active)


def _check_mistake(mistake: PolicyError, form: str, text: str) -> None:
    """A mistake can be logged and sent, and its path and line lead to a place in the text."""
    assert mistake.code in CODES
    assert mistake.file == "fuzzed"
    assert str(mistake).isprintable()
    assert json.loads(write_json(mistake.as_dict()))["code"] == mistake.code
    for suggestion in pattern.suggested(mistake) if mistake.code == "match-malformed" else []:
        parse_match(suggestion)
    lines = text.split("\n")
    if mistake.line is not None:
        assert 1 <= mistake.line <= len(lines)
    if mistake.code in {"syntax", "duplicate-key"}:
        return
    place: Any = json.loads(text) if form == "json" else tomllib.loads(text)
    for part in mistake.path:
        place = place[part]
    if mistake.path:
        assert mistake.line is not None
        key = mistake.path[-1]
        if isinstance(key, str) and _BARE_KEY.fullmatch(key) and "\\" not in text:
            assert key in lines[mistake.line - 1]


def _check_written(policy_set: PolicySet) -> None:
    """What was read can be written in either format, whole or in parts, and means the same when it is read again."""
    document = write_document(policy_set)
    texts = [Source(None, "json", json.dumps(document)), Source(None, "toml", tomli_w.dumps(document))]
    for again in [read_document(document), *(read_sources([text]) for text in texts)]:
        assert again == policy_set
        assert revision(again) == revision(policy_set)
    for name, policy in policy_set.policies.items():
        assert read_document(write_document(policy_set, [name])).policies == {name: policy}
    assert summarize(policy_set).replace("\n", "").isprintable()


def _check_policy(policy: Policy, active: ActivePolicies) -> None:
    """Whatever the rules say, decisions about origins that are near theirs are as they must be."""
    for rule in policy.rules:
        patterns = map(write_pattern, active.policy_set.patterns(rule)[:_PATTERNS])
        origins = {"https://stranger.example", *(origin for one in patterns for origin in pattern.near(one))}
        names = [name.replace("*", "x") for name in active.policy_set.headers(rule.request_headers)[:_NAMES]]
        for origin in sorted(origins):
            for method in ("GET", rule.methods[-1].replace("*", "PATCH")):
                checked.decide(active, Query(method, policy.name, origins=(origin,)))
                for lines in (names, [",".join(names), "x-stranger"]):
                    checked.decide(active, Query("OPTIONS", policy.name, None, (origin,), (method,), tuple(lines)))
