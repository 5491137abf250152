"""Tests of what is shown: tables, JSON and plots."""

from __future__ import annotations

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest

from cors_service.insights.findings import Findings
from cors_service.insights.plots import PLOTS
from cors_service.insights.text import in_text
from cors_service.insights.written import SCHEMA, in_json
from tests.insights.logs import DAY, OTHERS, REFUSED, UNDECIDED, active, asked, decided, found, preflight, written

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "https://\x1b[31m<script>&\"'\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 500


def rich() -> Findings:
    """Findings with something of everything, hostile texts among them."""
    policies = active()
    origins = ["https://app.example.com", *(f"https://x{number}.partner.example" for number in range(15))]
    lines = [
        decided(policies, query, at, count=1 + at % 11)
        for at in range(0, 30 * DAY, DAY // 2)
        for origin in origins
        for query in (asked(origin), asked(origin, "PUT"), preflight(origin), asked(origin, "PATCH"))
    ]
    strangers = [
        written(policy=HOSTILE, origin=HOSTILE + str(number), reason=HOSTILE, allowed=False, rule=None, method=HOSTILE)
        for number in range(15)
    ]
    lost = [written(**{**UNDECIDED, "reason": reason}) for reason in ("unknown-policy", HOSTILE)]
    return found(*lines, *strangers, *lost, OTHERS, policies=policies)


MADE: dict[str, Callable[[], Findings]] = {
    "rich": rich,
    "empty": found,
    "no lines": lambda: found(policies=active()),
    "no policies": lambda: found(written()),
}


@pytest.fixture(scope="module", params=MADE)
def findings(request: pytest.FixtureRequest) -> Findings:
    """Findings of each kind."""
    return MADE[request.param]()


def test_text_fits_a_terminal(findings: Findings) -> None:
    """No line is wider than 100 columns, nothing in it is a command for the terminal, and there are few lines."""
    lines = in_text(findings).splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line.isascii() and line.isprintable() for line in lines)
    assert len(lines) < 200


def test_text() -> None:
    """What is found is said in words: what came, what was refused, what follows."""
    policies = active()
    text = in_text(
        found(
            decided(policies, asked("https://app.example.com"), count=300),
            decided(policies, asked("https://app.example.com", "PUT"), count=300),
            decided(policies, preflight("https://app.example.com"), count=100),
            decided(policies, asked("https://typo.example.com"), count=20),
            decided(policies, asked("https://a.partner.example"), count=2),
            policies=policies,
        )
    )
    later = in_text(
        found(*(decided(policies, asked("https://a.partner.example"), at * DAY) for at in (1, 91)), policies=policies)
    )
    assert text.startswith("722 decisions in 10 s, by 1 service and 1 revision of the policies\n")
    assert "  13.9 % of the requests across origins are preflights.\n" in text
    assert f"    {policies.advise(asked('https://typo.example.com')).reason.hint}\n" in text
    assert "  policy app, rule 1: 100 preflights for 300 requests\n" in text
    assert "  https://*.partner.example (policy app, rule 2): 2 decisions\n" in text
    assert "That is all: a list would do." not in text
    assert "That is all: a list would do." in later
    assert "  origin sets: 1\n    @nobody\n" in text
    assert "    app, rule 1: methods POST, DELETE\n" in text
    assert "  The lines do not reach back 90 days" in text


def test_what_could_not_be_decided() -> None:
    """What could not be decided is said with the reason, and is not drawn as if it had been allowed."""
    findings = found(written(count=100_000, **UNDECIDED), written(count=10))
    text = in_text(findings)
    assert "Could not be decided\n    count  why             last\n  100,000  unknown-policy  2026-08-01\n" in text
    assert "Could not be decided" not in in_text(found(written()))
    about = ET.fromstring(PLOTS["traffic"](findings)).find(f"{SVG}desc")
    assert about is not None
    assert str(about.text).endswith(": 10 allowed, 0 preflights, 0 refused, 100,000 undecided.")


def test_what_is_cut_has_its_number() -> None:
    """Of a long list, the text says how many more there are, and of how many the JSON has the rest."""
    policies = active()
    strangers = [decided(policies, asked(f"https://{number}.example"), count=1 + number % 7) for number in range(302)]
    others = [written(policy=f"policy-{number}", revision=f"sha256:{number}") for number in range(150)]
    findings = found(*strangers, *others, policies=policies)
    assert (findings.refusals_count, len(findings.refusals)) == (302, 100)
    assert (findings.policies_count, len(findings.policies)) == (151, 100)
    assert (findings.revisions_count, len(findings.revisions)) == (151, 100)
    text = in_text(findings)
    assert "and 151 revisions of the policies\n" in text
    assert "  and 292 more: --json has the first 100\n" in text
    assert "  and 141 more: --json has the first 100\n" in text
    assert "  and 5 more: see --json\n" in in_text(found(*strangers[:15], policies=policies))


def test_what_is_too_much_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was too much to count one by one, it is said that there were at least so many."""
    for name in ("_REFUSALS", "_POLICIES", "_REVISIONS"):
        monkeypatch.setattr(f"cors_service.insights.sums.{name}", 10)
    findings = found(
        *(
            written(origin=f"https://{number}.example", policy=f"policy-{number}", revision=f"{number}", **REFUSED)
            for number in range(50)
        )
    )
    assert (findings.refusals_count, findings.policies_count, findings.revisions_count) == (20, 20, 20)
    assert min(findings.refusals_missing, findings.policies_missing, findings.revisions_missing) > 0
    text = in_text(findings)
    assert "and at least 20 revisions of the policies\n" in text
    assert text.count("  and at least 10 more") == 2


def test_preflights_of_other_policies() -> None:
    """That no preflight was allowed is said only of today's rules: those of other policies were allowed, too."""
    gone = written(kind="preflight", policy="gone", count=5)
    for text in (
        in_text(found(gone, policies=active())),
        PLOTS["preflights"](found(gone, policies=active())),
        PLOTS["preflights"](found(gone)),
    ):
        assert "No preflight is known to have been allowed by today's rules." in text.replace("&apos;", "'")
        assert "No preflight was allowed." not in text


def test_text_without_policies() -> None:
    """Without policies, it is said what they are good for."""
    assert in_text(found(written())).endswith(
        "With --policies PATH, you also see what is never used, and what preflights cost."
    )
    assert in_text(found()) == "The log has no lines about decisions."


def test_json_is_as_its_schema_says(findings: Findings) -> None:
    """What programs get has every part that the schema names, and no other type."""
    value = json.loads(in_json(findings))
    assert jsonschema_rs.validator_for(SCHEMA).is_valid(value)
    assert {"from", "to", "refusals", "preflights", "wildcards", "unused"} <= set(value)


@pytest.mark.parametrize("name", PLOTS)
def test_plots_are_for_everybody(name: str, findings: Findings) -> None:
    """A plot is well-formed, has a title and says in words what it shows, runs nothing, and is the same each time."""
    drawn = PLOTS[name](findings)
    root = ET.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"] == "title desc"
    title, about = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert about is not None
    assert title.text
    assert about.text
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "desc", "rect", "text", "line", "polyline", "circle",
    }  # fmt: skip
    assert drawn == PLOTS[name](findings)


def test_plots_stay_within_their_frame(findings: Findings) -> None:
    """No bar and no point lies outside of the drawing."""
    for draw in PLOTS.values():
        root = ET.fromstring(draw(findings))
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        for line in root.iter(f"{SVG}polyline"):
            points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
            assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
        for bar in root.iter(f"{SVG}rect"):
            assert float(bar.attrib.get("x", 0)) + float(bar.attrib["width"]) <= width
            assert float(bar.attrib.get("y", 0)) + float(bar.attrib["height"]) <= height
        for text in root.iter(f"{SVG}text"):
            assert 0 <= float(text.attrib["y"]) <= height


def test_traffic_falls_to_nothing_between_visits() -> None:
    """Where nothing came for a while, the line of the plot is at the bottom."""
    findings = found(written(0, count=8), written(3600, count=8))
    root = ET.fromstring(PLOTS["traffic"](findings))
    points = next(root.iter(f"{SVG}polyline")).attrib["points"].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert len(heights) == 4
    assert heights[0] == heights[3] < heights[1] == heights[2] == 290
