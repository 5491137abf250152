"""Editors find the schema of a document: by its first line, by its name, and where the schema says that it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cors_service.policy.schema import SCHEMA

ROOT = Path(__file__).parents[1]
SITE = "https://cors-service.github.io/cors-service/"
COPIED = [ROOT / "etc" / "policies.toml", *sorted((ROOT / "examples").rglob("policies*.toml"))]
"""Documents that people begin with."""


def test_schema_says_where_it_is() -> None:
    """The schema has the address at which the site has it."""
    [extra] = re.findall(r'^html_extra_path = \["../(.*)"\]$', (ROOT / "docs" / "conf.py").read_text(), re.MULTILINE)
    assert json.loads((ROOT / extra).read_text()) == SCHEMA
    assert SCHEMA["$id"] == f"{SITE}{Path(extra).name}"


@pytest.mark.parametrize("path", COPIED, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_it(path: Path) -> None:
    """A document that people copy has the schema in its first line, as taplo reads it."""
    assert path.read_text().partition("\n")[0] == f"#:schema {SCHEMA['$id']}"


def test_catalogue() -> None:
    """The entry for a catalogue has what SchemaStore asks of one, and names no file that others have."""
    entry = json.loads((ROOT / "etc" / "editors" / "schemastore.json").read_text())
    assert entry.keys() == {"name", "description", "fileMatch", "url"}
    assert entry["url"] == SCHEMA["$id"]
    assert all("cors" in pattern and pattern.endswith((".toml", ".json")) for pattern in entry["fileMatch"])
