"""The lines of the decision log, and their schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import msgspec
import pytest
from msgspec import structs

import cors_service
from cors_service.cli import main
from cors_service.decision.decision import Kind
from cors_service.observe.counted import UNDECIDED
from cors_service.observe.lines import SCHEMA, Decisions, Line, Other, Sample, Seen
from cors_service.observe.masking import Masking
from cors_service.observe.rolling import Roller
from cors_service.observe.sights import Sight
from cors_service.observe.words import FORMS, Form
from tests.observe.intervals import ALLOWED, BEGIN, REFUSED, interval

VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA, validate_formats=True)
KINDS = (Decisions, Other, Seen, Sample)
UNKNOWN = structs.replace(
    REFUSED, kind=UNDECIDED, allowed=None, reason="unknown-policy", policy=None, rule=None, origin=None, revision=None
)


def lines(form: Form = "full") -> list[dict[str, Any]]:
    """Lines of every kind."""
    roller = Roller("eu-1", Masking(form, lambda: BEGIN, print), 0.5)
    sights = [
        Sight(ALLOWED, BEGIN, "ab" * 12, None),
        Sight(ALLOWED, BEGIN, "cd" * 12, "4bf92f3577b34da6a3ce929d0e0e4736", is_sample=True),
    ]
    roll = roller.roll(interval(ALLOWED, REFUSED, UNKNOWN, count=3, others=7), sights)
    return [json.loads(line) for line in roll.lines]


@pytest.mark.parametrize("form", FORMS)
def test_lines_fit_the_schema(form: Form) -> None:
    """Lines of every kind fit the schema, in every form of origins."""
    written = lines(form)
    assert {line["type"] for line in written} == {"decisions", "seen", "sample", "other"}
    for line in written:
        VALIDATOR.validate(line)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_schema_has_the_fields(kind: type[Line]) -> None:
    """The schema describes the fields that a line can have, each with a sentence, and no others."""
    fields = {field.encode_name: field.required for field in msgspec.structs.fields(kind)}
    described = dict(described_fields(SCHEMA, str(kind.__struct_config__.tag)))
    assert set(described) == {"type", *fields}
    assert all("description" in field for field in described.values())


def described_fields(schema: dict[str, Any], tag: str) -> list[tuple[str, dict[str, Any]]]:
    """Give the fields of a kind of line, as the schema has them."""
    found = [*schema["properties"].items()]
    pending = [tag]
    while pending:
        part = schema["$defs"][pending.pop()]
        found += [(name, field) for name, field in part["properties"].items() if name != "type"]
        pending += [other["$ref"].rpartition("/")[2] for other in part.get("allOf", ())]
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"type": "something"},
        {"version": 2},
        {"count": 0},
        {"from": "yesterday"},
        {"origins": "full"},
        {"allowed": "yes"},
        {"rule": 0},
        {"kind": "none"},
    ],
    ids=str,
)
def test_the_schema_refuses(change: dict[str, object]) -> None:
    """What the service does not write does not fit the schema."""
    [line] = [line for line in lines() if line["type"] == "decisions" and line["policy"] is None]
    VALIDATOR.validate(line)
    assert not VALIDATOR.is_valid(line | change)


def test_words_of_the_api() -> None:
    """The kinds of decisions are those of the API, and one more for what has no decision."""
    assert {*SCHEMA["$defs"]["decided"]["properties"]["kind"]["enum"]} == {*get_args(Kind), UNDECIDED}


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`cors-service schema log` prints the schema, which is one."""
    assert main(["schema", "log"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
    assert jsonschema_rs.meta.is_valid(SCHEMA)


PAGE = (Path(cors_service.__file__).parents[1] / "docs" / "decision-log.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_page_has_the_fields(kind: type[Line]) -> None:
    """The page describes each field, and says in which lines it is."""
    tag = str(kind.__struct_config__.tag)
    rows = re.findall(r"^\| (`.+?`) \| (all|`.+?`) \| ", PAGE, re.MULTILINE)
    told = {
        name for names, tags in rows for name in re.findall("`(.+?)`", names) if tags == "all" or f"`{tag}`" in tags
    }
    assert told == {"type", *(field.encode_name for field in msgspec.structs.fields(kind))}


def test_the_examples_of_the_page() -> None:
    """The lines that the page shows fit the schema."""
    examples = [json.loads(example) for example in re.findall(r'^\{"type": .*$', PAGE, re.MULTILINE)]
    assert [example["type"] for example in examples] == ["decisions", "other"]
    for example in examples:
        VALIDATOR.validate(example)
