"""New tokens, and what to write into the document for them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Final

_BYTES: Final = 32


def new_token() -> str:
    """Make a token that nobody can guess: 43 letters, digits, hyphens and underscores."""
    return secrets.token_urlsafe(_BYTES)


def token_entry(
    name: str, token: str, verbs: Sequence[str], policies: Sequence[str] = (), *, needs_second: bool = False
) -> str:
    """Write the entry of a token in TOML.

    Args:
        name: The name of the token.
        token: The token; the entry has its hash.
        verbs: What it is good for.
        policies: Prefixes of the names of the policies that it may ask about; all policies by default.
        needs_second: Whether somebody else has to approve changes that let through what was not.
    """
    lines = ["[[tokens]]", f"name = {_quoted(name)}"]
    lines.append(f'sha256 = "{hashlib.sha256(token.encode("ascii")).hexdigest()}"')
    lines.append(f"verbs = [{_listed(verbs)}]")
    if policies:
        lines.append(f"policies = [{_listed(policies)}]")
    if needs_second:
        lines.append("second_person = true")
    return "\n".join(lines)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    # What TOML takes for a basic string, whatever it holds.
    return json.dumps(word, ensure_ascii=False)
