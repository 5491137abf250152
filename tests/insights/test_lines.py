"""Tests of reading a line."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from msgspec import UNSET, UnsetType

from cors_service.insights.lines import LONGEST, Decisions, NotALine, Others, Passed, Sample, read_line, seconds_of
from cors_service.observe import lines as written_lines
from tests.insights.logs import BEGIN, OTHERS, line, written


def test_every_member_is_read() -> None:
    """A line about decisions becomes a value with its members."""
    read = read_line(written(20, count=7, rule=None, allowed=None, kind="no-origin", origin=None))
    assert isinstance(read, Decisions)
    assert seconds_of(read.begin) == BEGIN + 20
    assert (read.count, read.rule, read.allowed, read.kind, read.origin) == (7, None, None, "no-origin", None)
    assert (read.policy, read.method, read.reason, read.instance) == ("app", "GET", "allowed", "here")
    assert read.seen == read.last


def test_members_that_are_not_known_are_passed_over() -> None:
    """A later program may write more members into a line of this version."""
    assert read_line(written(colour="blue")) == line()


@pytest.mark.parametrize("text", ["2026-08-01T00:00:00Z", "2026-08-01T00:00:00.000Z", "2026-08-01T00:00:00.000+00:00"])
def test_times(text: str) -> None:
    """A time in UTC is read in each form that RFC 3339 has for it."""
    read = read_line(written(begin=text))
    assert isinstance(read, Decisions)
    assert seconds_of(read.begin) == BEGIN


def test_other_types() -> None:
    """Lines of the other types are known: those without details count, and those about one decision do not."""
    times = {"from": "2026-08-01T00:00:00Z", "to": "2026-08-01T00:00:10Z"}
    other = read_line(json.dumps({"type": "other", "version": 1, "instance": "here", "count": 12, **times}).encode())
    assert isinstance(other, Others)
    assert other.count == 12
    assert isinstance(read_line(b'{"type": "seen", "id": "1"}'), Passed)
    assert isinstance(read_line(b'{"type": "sample", "at": "2026-08-01T00:00:00Z"}'), Sample)


def test_masked_origins() -> None:
    """An origin that is not as it was, or that could not be written, is known to be masked."""
    plain, none = line(), line(origin=None)
    hashed = line(origin="0123456789abcdef", origins="hashed")
    left_out = json.loads(written())
    del left_out["origin"]
    dropped = read_line(json.dumps(left_out).encode())
    pages = []
    for one in (plain, none, hashed, dropped):
        assert isinstance(one, Decisions)
        pages.append((one.page, one.is_masked))
    assert pages == [("https://app.example.com", False), (None, False), (None, True), (None, True)]
    assert isinstance(dropped, Decisions)
    assert dropped.origin is UNSET


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"not JSON", "not-json"),
        (b"{", "not-json"),
        (b"[" * 50_000, "not-of-the-log"),
        (b"\xff", "not-json"),
        (b"[]", "not-of-the-log"),
        (b"{}", "not-of-the-log"),
        (b'{"type": "another"}', "not-of-the-log"),
        (b'{"type": "decisions", "version": 1}', "not-of-the-log"),
        (b'{"type": "another", "version": 2}', "version-unknown"),
        (written(version=2), "version-unknown"),
        (written(version=2, count="many"), "version-unknown"),
        (written(count=-1), "not-of-the-log"),
        (written(count=10**13), "not-of-the-log"),
        (written(rule=0), "not-of-the-log"),
        (written(origin="\ud800"), "not-json"),
        (written(count="1"), "not-of-the-log"),
        (written(allowed="yes"), "not-of-the-log"),
        (written(origin="x" * 5000), "not-of-the-log"),
        (written(begin="yesterday"), "not-of-the-log"),
        (written(begin="2026-08-01T00:00:00+02:00"), "not-of-the-log"),
        (written(begin="2026-13-45T99:99:99Z"), "not-of-the-log"),
        (written(last="9999-12-31T23:59:59Z"), "not-of-the-log"),
        (written(last="2026-99-99T99:99:99Z"), "not-of-the-log"),
        (written(origins="coloured"), "not-of-the-log"),
        (b" " * (LONGEST + 1), "too-long"),
    ],
)
def test_what_is_not_a_line(text: bytes, code: str) -> None:
    """Whatever else is in a file, it is told why it can't be read."""
    with pytest.raises(NotALine) as caught:
        read_line(text)
    assert caught.value.code == code
    assert caught.value.message


@pytest.mark.parametrize("origin", ["https://app.example.com", None, UNSET])
def test_lines_are_those_that_a_service_writes(origin: str | UnsetType | None) -> None:
    """What the decision log writes is read, with the same meaning."""
    decided: dict[str, Any] = {
        "instance": "here",
        "revision": None,
        "policy": "app",
        "rule": 2,
        "origin": origin,
        "kind": "preflight",
        "method": "PUT",
        "allowed": True,
        "reason": "allowed",
    }
    at = written_lines.written_time(BEGIN + 0.25)
    line = written_lines.Decisions(**decided, begin=at, end=at, count=3, first=at, last=at)
    read = read_line(written_lines.write_line(line))
    assert isinstance(read, Decisions)
    for name in (*decided, "begin", "end", "count", "last"):
        assert getattr(read, name) == getattr(line, name)
    assert seconds_of(read.begin) == BEGIN + 0.25
    others = read_line(written_lines.write_line(written_lines.Other(instance="here", begin=at, end=at, count=2)))
    assert isinstance(others, Others)
    single: dict[str, Any] = {**decided, "at": at, "id": None, "trace": None}
    assert isinstance(read_line(written_lines.write_line(written_lines.Seen(**single))), Passed)
    sampled = written_lines.Sample(**single, fraction=0.1)
    assert isinstance(read_line(written_lines.write_line(sampled)), Sample)


def test_lines_of_tests_are_such_as_a_service_writes() -> None:
    """What these tests take for lines fits the schema of the decision log."""
    validator = jsonschema_rs.validator_for(written_lines.SCHEMA)
    for text in (written(), written(origin="0123456789abcdef", origins="hashed"), OTHERS):
        validator.validate(json.loads(text))
