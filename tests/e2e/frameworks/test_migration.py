"""The documents that lead from a system's own CORS to a policy: what they show is right, and grants what it did."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from cors_service.decision import ActivePolicies, Query
from cors_service.reader.sources import read_policies
from tests.e2e.frameworks.framework import ROOT

DOCUMENTS: Final = sorted((ROOT / "docs").glob("from-*.md"))
_POLICIES: Final = re.compile(r"^```toml\n(version = 1\n.*?)^```$", re.MULTILINE | re.DOTALL)
_SHOP: Final = "https://shop.example.com"
_PARTNER: Final = "https://www.partner.example"
_COMMAND: Final = str(Path(sys.executable).with_name("cors-service"))

_BY_HAND: Final = (
    ("catalogue", _SHOP, "PUT", "authorization,content-type"),
    ("catalogue", _PARTNER, "DELETE", ""),
    ("prices", "https://any.example", "GET", ""),
)
_NOT_BY_HAND: Final = (
    ("catalogue", "https://a.b.partner.example", "GET", ""),
    ("catalogue", _SHOP, "POST", ""),
    ("catalogue", _SHOP, "PUT", "x-other"),
    ("prices", "https://any.example", "PUT", ""),
    ("prices", "https://any.example", "GET", "x-any"),
)

GRANTED: Final = {
    "from-nginx.md": _BY_HAND,
    "from-apache.md": _BY_HAND,
    "from-express-cors.md": (
        ("catalogue", _SHOP, "PUT", "content-type,authorization"),
        ("catalogue", _PARTNER, "DELETE", ""),
        ("prices", "https://any.example", "PATCH", "x-any,authorization"),
    ),
    "from-flask-cors.md": (
        ("catalogue", _SHOP, "PUT", "content-type,x-catalogue-a"),
        ("catalogue", _PARTNER, "DELETE", "authorization"),
        ("prices", "https://any.example", "OPTIONS", "x-any,authorization"),
    ),
}
"""What pages may do in the examples, before and after: policy, origin, method, and headers."""

REFUSED: Final = {
    "from-nginx.md": _NOT_BY_HAND,
    "from-apache.md": _NOT_BY_HAND,
    "from-express-cors.md": (
        ("catalogue", _SHOP, "POST", ""),
        ("catalogue", _SHOP, "PUT", "x-other"),
        ("catalogue", "http://www.partner.example", "GET", ""),
        ("catalogue", "https://any.example", "GET", ""),
    ),
    "from-flask-cors.md": (
        ("catalogue", _SHOP, "PATCH", ""),
        ("catalogue", _SHOP, "PUT", "x-other"),
        ("catalogue", "https://shop.partner.example.evil.test", "GET", ""),
        ("catalogue", "https://any.example", "GET", ""),
    ),
}
"""And what they may not."""


def policies(document: Path, directory: Path) -> list[Path]:
    """The policies of a document, each in a file."""
    found = []
    for number, text in enumerate(_POLICIES.findall(document.read_text(encoding="utf-8"))):
        path = directory / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        found.append(path)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_policies_are_right(document: Path, tmp_path: Path) -> None:
    """`cors-service check` finds nothing wrong with what a reader would write down."""
    files = policies(document, tmp_path)
    assert files, "no policies"
    for path in files:
        command = [_COMMAND, "check", str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        assert done.returncode == 0, done.stdout.decode()


@pytest.mark.parametrize("name", GRANTED)
def test_policies_grant_what_was_granted(name: str, tmp_path: Path) -> None:
    """Pages may go on with what the system's own configuration let them do, and with nothing else."""
    [path] = policies(ROOT / "docs" / name, tmp_path)
    active = ActivePolicies(read_policies(path))
    for expected, questions in ((True, GRANTED[name]), (False, REFUSED[name])):
        for policy, origin, method, names in questions:
            lines = [("Origin", origin), ("Access-Control-Request-Method", method)]
            lines += [("Access-Control-Request-Headers", names)] * bool(names)
            decision = active.decide(Query.received("OPTIONS", lines, policy=policy))
            assert (policy, origin, method, expected) == (policy, origin, method, decision.allowed)
