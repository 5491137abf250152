"""What was meant by a key that does not exist, perhaps one of another system."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec import structs

from cors_service.grammar.mistakes import Path, PolicyError, shown
from cors_service.policy.model import Rule

_RULE_KEYS: Final = frozenset(field.name for field in structs.fields(Rule))
# What other systems put before the names of such keys, and what they call the rest.
_OF_OTHERS: Final = re.compile(r"\A(?:cors_|access_control_|allow_|allowed_|supports_)*")
_SYNONYMS: Final = {
    key: ours
    for ours, keys in {
        "origins": "origin origin_pattern origin_patterns origin_list origin_whitelist origin_allowlist whitelist "
        "allowlist origin_string_match",
        "request_headers": "header headers",
        "expose_headers": "exposed_headers",
        "methods": "method",
        "credentials": "with_credentials",
        "max_age": "maxage max_age_seconds max_age_sec preflight_max_age",
        "preflight_status": "options_success_status",
        "timing": "timing_allow_origin timing_allow_origins",
        "match": "path paths path_pattern path_patterns path_prefix prefix prefixes mapping mappings url urls "
        "url_pattern url_patterns uri uris host hosts hostname hostnames location locations route routes endpoint "
        "endpoints",
        "origin_sets": "sets origin_set origin_groups",
        "guard": "csrf csrf_protection",
    }.items()
    for key in keys.split()
}
# Keys that nothing here is called.
_INSTEAD: Final = {
    key: hint
    for keys, hint in {
        "preflight_continue options_passthrough": "Remove it: preflights are always answered by the decision.",
        "vary vary_header add_vary_header": "Remove it: every answer has the Vary that it needs.",
        "private_network private_network_access": "Remove it: browsers ask the user, and no header grants it.",
        "origin_regex origins_regex origin_list_regex origin_regexes": "Did you mean origins, with re: before each "
        "expression?",
        "all_origins any_origin origin_allow_all origins_allow_all any_host all": 'Write origins = ["*"].',
        "all_headers any_header": 'Write request_headers = ["*"].',
        "all_methods any_method": 'Write methods = ["*"].',
        "enabled enable": "Remove it, or the whole policy.",
        "default default_action fallback": "Remove it: what no rule covers has no access.",
        "name id": "Remove it: the name is the one in [policies.NAME].",
        "description comment": "Write a comment, after a #.",
    }.items()
    for key in keys.split()
}
# How they shut origins out. The nearest key, `origins`, would let these in.
_OF_REFUSALS: Final = re.compile(
    r"(?:den(?:y|ied)|disallow|block|black|forbid|exclu|reject)[a-z]*(?:_(?:origins?|list))?\Z"
)
_REFUSE: Final = "Write a rule before all others, with these origins and refuse = true."
_LONGEST_KEY: Final = 64
_NAME: Final = re.compile("[A-Za-z0-9._-]{1,128}")


def unknown_key(path: Path, value: object, known: Collection[str], *, guesses: bool) -> PolicyError:
    """The mistake that a table has a key that it can't have.

    Args:
        path: Of the key.
        value: What it is set to.
        known: The keys that the table can have.
        guesses: Whether it is worth the time to look for the nearest one.
    """
    key = str(path[-1])
    hint = _hint(path, key, value, known, guesses=guesses)
    return PolicyError("unknown-key", f"The key {shown(key)} is unknown.", hint=hint, value=key)


def _hint(path: Path, key: str, value: object, known: Collection[str], *, guesses: bool) -> str:
    meant = _as_ours(key)
    if meant not in known:
        if len(path) == 1 and meant in _RULE_KEYS:
            return "A policy has a name: write [policies.NAME] above it."
        if path[0] == "policies" and (dotted := _dotted(path, value)):
            return f'A name with dots is quoted: write [policies."{dotted}"].'
        if meant in _INSTEAD and len(path) > 1:
            return _INSTEAD[meant]
        if _OF_REFUSALS.search(meant):
            return _REFUSE
    # What is a key of a policy elsewhere says nothing here: `host` of a guard is `hosts`.
    guessed = _words(key) if guesses and len(key) <= _LONGEST_KEY else ""
    close = [meant] if meant in known else difflib.get_close_matches(guessed, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else f"The keys here are {', '.join(sorted(known))}."


def _as_ours(key: str) -> str:
    """What a key of other systems is called here: `allowedHeaders`, `CORS_ALLOW_HEADERS` and the like."""
    words = _words(key)
    bare = _OF_OTHERS.sub("", words)
    return _SYNONYMS.get(bare, bare if bare in _RULE_KEYS or bare in _INSTEAD else words)


def _words(key: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", key[:_LONGEST_KEY]).lower()


def _dotted(path: Path, value: Any) -> str:
    """The name of a policy that was written without quotation marks: `policies.api.example.com` is four tables."""
    parts = list(map(str, path[1:]))
    while isinstance(value, Mapping) and len(value) == 1 and not _RULE_KEYS.issuperset(value):
        (part, value), *_ = value.items()
        parts.append(str(part))
    name = ".".join(parts)
    return name if len(path) == 3 and isinstance(value, Mapping) and _NAME.fullmatch(name) else ""
