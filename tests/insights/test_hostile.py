"""Tests of lines that nobody honest writes: whatever comes, it is read or told, and adds up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cors_service.admin.decisions_file import DAY
from cors_service.admin.roll_ups import RollUps
from cors_service.insights.findings import findings_of
from cors_service.insights.lines import NotALine, read_line
from cors_service.insights.plots import PLOTS
from cors_service.insights.sums import Sums
from cors_service.insights.text import in_text
from cors_service.insights.written import in_json
from tests.insights.logs import BEGIN, active, written

POLICIES = active()
TEXTS = st.one_of(
    st.text(max_size=20), st.sampled_from(["app", "quiet", "null", "https://app.example.com", "*", "\0", "\ud800"])
)
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["decisions", "other", "seen", "sample", "else"]),
    "version": st.sampled_from([1, 1, 1, 2, "1", None]),
    "policy": st.none() | TEXTS,
    "rule": st.none() | st.integers(-1, 5) | st.just(10**30),
    "origin": st.none() | TEXTS,
    "origins": st.sampled_from(["full", "site", "hashed", "else"]),
    "kind": st.sampled_from(["preflight", "actual", "no-origin", "undecided"]) | TEXTS,
    "method": TEXTS,
    "reason": st.sampled_from(["allowed", "origin-not-allowed", "method-not-allowed"]) | TEXTS,
    "allowed": st.sampled_from([True, False, None, 0]),
    "count": st.integers(-1, 10) | st.sampled_from([10**12, 10**30, 1.5, "1"]),
    "revision": st.none() | st.just(POLICIES.revision) | TEXTS,
    "from": st.sampled_from(
        ["2026-08-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-99-99T99:99:99Z"]
    ),
    "to": st.sampled_from(["2026-08-01T00:00:10Z", "9999-12-31T23:59:60Z", "1970-01-01T00:00:00Z"]),
    "last": st.sampled_from(["2026-08-01T00:00:05Z", "9999-12-31T23:59:59Z"]),
}


@st.composite
def hostile_lines(draw: st.DrawFn) -> bytes:
    """Draw a line with a few members that are not what they should be, or something else."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=50))
    changed = draw(st.lists(st.sampled_from(sorted(MEMBERS)), max_size=4, unique=True))
    line = {**json.loads(written()), **{name: draw(MEMBERS[name]) for name in changed}}
    for name in draw(st.lists(st.sampled_from(sorted(line)), max_size=1)):
        del line[name]
    return json.dumps(line).encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(hostile_lines(), max_size=12))
def test_whatever_comes(tmp_path: Path, lines: list[bytes]) -> None:
    """Each line is read or refused with a reason; what is read adds up, is shown, and fits into the file."""
    sums, refused = Sums(POLICIES), 0
    for text in lines:
        try:
            sums.add(read_line(text))
        except NotALine:
            refused += 1
    findings = findings_of(sums)
    assert findings.decisions == sums.kinds.total() + sums.other
    assert in_json(findings)
    assert max(map(len, in_text(findings).splitlines())) <= 100
    for draw in PLOTS.values():
        assert ET.fromstring(draw(findings)).tag.endswith("svg")
    kept = RollUps(tmp_path / "decisions.db")
    taken = kept.take("here", str(len(kept.instances(0))) + repr(lines)[:200], lines, BEGIN + DAY)
    assert not taken.is_new or taken.unread == refused
    Sums(POLICIES).add_all(kept.lines(0, 2**40))
    kept.close()
