"""An explanation for people: the exchange line by line, what each engine makes of it, and what mends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cors_service.decision import Query
from cors_service.explain._engines import NAMES
from cors_service.explain.explanation import ExchangeStep, Explanation, Mending, Outcome, StepName
from cors_service.grammar.mistakes import cut

Paint = Callable[[str, Outcome], str]
"""Gives a text the colour of an outcome."""

LABELS: Final[dict[StepName, str]] = {
    "page": "page",
    "preflight": "browser",
    "preflight-answer": "service",
    "request": "browser",
    "answer": "service",
    "no-decision": "service",
    "guard": "guard",
    "browser": "browser",
    "engines": "browsers",
    "cookies": "cookies",
    "headers": "headers",
    "kept": "kept",
    "elsewhere": "besides",
    "mending": "mending",
}
"""Who or what a step is about, in a word."""
_WIDTH: Final = 10
_LONGEST: Final = 160


def in_text(explanation: Explanation, paint: Paint = lambda text, _: text) -> str:
    """Write an explanation for a terminal.

    Args:
        explanation: What comes of an exchange.
        paint: Gives a word its colour.
    """
    lines: list[str] = []
    mending = [step for step in explanation.steps if step.step == "mending"]
    for step in explanation.steps:
        if step.step != "mending":
            lines += _step(step)
    lines += _engines(explanation, paint)
    for step in mending:
        lines += _step(step)
    if explanation.mending is not None:
        lines += _mending(explanation.mending)
    return "\n".join(lines)


def in_text_all(explanations: Sequence[Explanation], paint: Paint = lambda text, _: text) -> str:
    """Write the explanations of a recorded session: a line for each, and in full what is blocked or not known.

    Args:
        explanations: What comes of each exchange.
        paint: Gives a word its colour.
    """
    lines = [f"{number:>4}  {_in_one_line(one, paint)}" for number, one in enumerate(explanations, 1)]
    for number, one in enumerate(explanations, 1):
        if one.outcome in {"blocked", "unknown"}:
            lines += ["", f"{number}.", in_text(one, paint)]
    counted = Counter(one.outcome for one in explanations)
    unknown = f", {counted['unknown']} unknown" if counted["unknown"] else ""
    return "\n".join([*lines, "", f"{len(explanations)} requests, {counted['blocked']} of them blocked{unknown}."])


def _in_one_line(explanation: Explanation, paint: Paint) -> str:
    exchange = explanation.exchange
    outcome = explanation.outcome
    who = printable(f"{exchange.page} sends {exchange.method} to {cut(exchange.url, _LONGEST)}")
    return f"{paint(outcome, outcome)}{' ' * (10 - len(outcome))}{who}"


def printable(text: str) -> str:
    """Make a text one that does nothing to a terminal: what a site sent may hold anything."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04X}" for char in text)


def _step(step: ExchangeStep) -> Iterator[str]:
    yield f"{LABELS[step.step]:<{_WIDTH}}{printable(step.message)}"
    yield from (f"{'':<{_WIDTH}}> {printable(line)}" for line in step.sent)
    yield from (f"{'':<{_WIDTH}}< {printable(line)}" for line in step.received)


def _engines(explanation: Explanation, paint: Paint) -> Iterator[str]:
    for engine, seen in explanation.engines.items():
        first, *others = map(printable, (seen.message or "").split("\n"))
        yield f"{NAMES[engine]:<{_WIDTH}}{paint(seen.outcome, seen.outcome)}{': ' if first else ''}{first}"
        yield from (f"{'':<{_WIDTH}}{line}" for line in others)


def _mending(mending: Mending) -> Iterator[str]:
    yield ""
    yield mending.patch.removesuffix("\n")
    yield ""
    if not mending.also_allows:
        yield "It allows nothing else."
        return
    yield "It also allows:"
    for one in mending.also_allows:
        yield f"  {one.policy}: {one.sentence}"
        if one.witness is not None:
            yield f"    such as {_in_words(one.witness)}"


def _in_words(query: Query) -> str:
    who = f"a page of {', '.join(query.origins)}" if query.origins else "a request without Origin"
    target = query.url if query.url is not None else f"a URL of policy {query.policy}"
    if query.is_preflight:
        names = f" with {', '.join(query.request_headers)}" if query.request_headers else ""
        return f"{who} that asks whether it may send {query.request_methods[0]}{names} to {target}"
    return f"{who} that sends {query.method} to {target}"
