"""Compares what came of a case with what had to come of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cases import Case
from .prediction import Prediction, Sent
from .setting import Entry, Outcome

_PROTOCOL = {"origin", "access-control-request-method", "access-control-request-headers"}
_COLUMNS = (
    "#", "about", "policy", "origin", "from", "method", "headers", "credentials", "requests", "decisions", "decided",
    "model", "browser", "status", "headers read",
)  # fmt: skip
_REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Row:
    """A case, what had to come of it, and what came of it."""

    case: Case
    prediction: Prediction
    outcome: Outcome

    @property
    def mismatches(self) -> list[str]:
        """What is not as it had to be; nothing, if all agree."""
        return list(_mismatches(self.case, self.prediction, self.outcome))


def _mismatches(case: Case, prediction: Prediction, outcome: Outcome) -> Iterator[str]:
    result, verdict = outcome.result, prediction.verdict
    if result["read"] != prediction.granted:
        yield f"the decisions say {_word(prediction.granted)}, the browser {_word(result['read'])}"
    if result["read"] != verdict.allowed:
        yield f"the model says {_word(verdict.allowed)} ({verdict.step}), the browser {_word(result['read'])}"
    if result["read"] and verdict.allowed:
        if result["status"] != case.statuses[-1]:
            yield f"the script reads status {result['status']}, not {case.statuses[-1]}"
        if set(result["names"]) != prediction.names:
            yield f"the script reads other headers than predicted: {sorted(prediction.names ^ set(result['names']))}"
    if len(outcome.received) != len(prediction.sent):
        received = [entry["method"] for entry in outcome.received]
        yield f"the application received {received}, not {[sent.method for sent in prediction.sent]}"
    else:
        for entry, sent in zip(outcome.received, prediction.sent, strict=True):
            yield from _differences(case, entry, sent)
    for line in prediction.printed:
        if line not in outcome.console:
            yield f"the console says {outcome.console}, not {line!r}"


def _differences(case: Case, entry: Entry, sent: Sent) -> Iterator[str]:
    what = f"the {'preflight' if sent.preflight else sent.method}"
    if (entry["method"], entry["url"]) != (sent.method, sent.url):
        yield f"{what} was {entry['method']} {entry['url']}"
    received = {name.lower(): value for name, value in entry["headers"]}
    expected = {name.lower(): value for name, value in sent.lines}
    for name in sorted(_PROTOCOL | expected.keys()):
        if received.get(name) != expected.get(name):
            yield f"{what} had {name}: {received.get(name)}, not {expected.get(name)}"
    if "authorization" in received.keys() - expected.keys():
        yield f"{what} had Authorization"
    cookie = False if sent.preflight else case.has_cookie
    if cookie is not None and ("session=1" in received.get("cookie", "")) != cookie:
        yield f"{what} had {'no' if cookie else 'a'} cookie"
    if _lasting(entry["decision"]) != _lasting(sent.decision):
        yield f"{what} was decided as {entry['decision']}, not as {sent.decision}"


def _lasting(decision: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in decision.items() if name != "ttl"}


def _word(read: bool) -> str:
    return "read" if read else "blocked"


def report(rows: Iterable[Row]) -> str:
    """Describe what does not agree; empty if all does."""
    lines = []
    for number, row in enumerate(rows):
        for mismatch in row.mismatches:
            case = row.case
            lines.append(f"{number} {case.group}: {case.method} {' -> '.join(case.urls)} of {case.origin}: {mismatch}")
    return "\n".join(lines)


def write_table(rows: Iterable[Row], heading: str, engine: str) -> Path:
    """Write the run as a Markdown table.

    Args:
        rows: What was tried.
        heading: Lines to begin with.
        engine: The name of the browser.

    Returns:
        The file: ``ENGINE.md`` in the directory of the environment variable E2E_BROWSER_TABLES, or
        ``build/e2e-ENGINE.md``.
    """
    directory = os.environ.get("E2E_BROWSER_TABLES")
    path = Path(directory) / f"{engine}.md" if directory else _REPOSITORY / "build" / f"e2e-{engine}.md"
    lines = [
        heading,
        "",
        f"| {' | '.join(_COLUMNS)} | |",
        "|---" * (len(_COLUMNS) + 1) + "|",
    ]
    for number, row in enumerate(rows):
        case, prediction, result = row.case, row.prediction, row.outcome.result
        cells = [
            str(number),
            case.group,
            case.policy + "".join(f" -> {url.split('/')[3]}" for url in case.urls[1:]),
            case.origin,
            case.context,
            case.method,
            _few([name for name, _ in case.headers]),
            case.credentials,
            _few([entry["method"] for entry in row.outcome.received]),
            _few(list(prediction.reasons)),
            _word(prediction.granted),
            f"{_word(prediction.verdict.allowed)}: {prediction.verdict.step}",
            _word(result["read"]),
            str(result.get("status", "")),
            _few(sorted(result.get("names", []))),
            "; ".join(row.mismatches) or "agree",
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _few(names: list[str]) -> str:
    return " ".join(names) if len(names) <= 16 else f"{' '.join(names[:2])} ... ({len(names)} in all)"
