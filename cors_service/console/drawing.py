"""Draws what comes of an exchange: line by line as the browser does it, by each engine, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

import htpy as h

from cors_service.console.explained import Answered, RuleAtWork
from cors_service.explain import ExchangeStep, Explanation, Mending, Seen
from cors_service.explain.explanation import Allowed, Engine
from cors_service.explain.text import LABELS, printable
from cors_service.review.words import query_in_words

ENGINES: Final[dict[Engine, str]] = {"chromium": "Chromium", "firefox": "Firefox", "webkit": "WebKit"}
_OUTCOMES: Final = {"passes": "passes", "stops": "stops here", "note": ""}
_VERDICTS: Final = {
    "readable": "the page can read the answer",
    "opaque": "the page gets the answer, and can't read it",
    "blocked": "blocked",
    "unknown": "not known",
}


def draw_answer(answered: Answered, carry: str | None) -> h.Node:
    """Draw the answer to a question.

    Args:
        answered: The answer.
        carry: Where the button leads that carries the mending patch into a change; None if there is no such button.
    """
    explanation = answered.explanation
    passes = explanation.passes
    return [
        h.p("#verdict", class_=["verdict", "good" if passes else "bad"])[
            h.strong["It passes: " if passes else "It is blocked: "], _summary(explanation)
        ],
        _exchange(explanation),
        _engines(explanation),
        _rules(answered.rules),
        not passes and _mending(explanation, carry),
    ]


def patch_lines(patch: str) -> h.Node:
    """Draw a patch, its lines marked by more than a colour."""
    return h.pre(".patch", tabindex="0")[(_patch_line(line) for line in patch.removesuffix("\n").split("\n")),]


def _patch_line(line: str) -> h.Node:
    if line.startswith("+") and not line.startswith("+++"):
        return [h.ins[printable(line)], "\n"]
    if line.startswith("-") and not line.startswith("---"):
        return [h.del_[printable(line)], "\n"]
    return [printable(line), "\n"]


def _summary(explanation: Explanation) -> str:
    outcomes = {seen.outcome for seen in explanation.engines.values()}
    if not explanation.passes and outcomes != {"blocked"} and "blocked" in outcomes:
        names = [ENGINES[engine] for engine, seen in explanation.engines.items() if seen.outcome == "blocked"]
        return f"{' and '.join(names)} blocks it." if len(names) == 1 else f"{' and '.join(names)} block it."
    if not explanation.passes and "blocked" not in outcomes:
        return "the guard of the service refuses to take the request."
    [outcome] = outcomes if len(outcomes) == 1 else ["blocked"]
    words = {"readable": "every browser lets the page read the answer.", "blocked": "no browser lets the page read it."}
    return words.get(outcome, f"{_VERDICTS[outcome]}.")


def _exchange(explanation: Explanation) -> h.Node:
    return h.section(aria_labelledby="exchange-title")[
        h.h2("#exchange-title")["The exchange"],
        h.ol(".exchange")[(_step(step) for step in explanation.steps if step.step != "mending")],
    ]


def _step(step: ExchangeStep) -> h.Node:
    outcome = _OUTCOMES[step.outcome]
    return h.li(class_=f"step {step.outcome}")[
        h.span(".who")[LABELS[step.step]],
        h.div[
            h.p[printable(step.message), outcome and [" ", h.span(".outcome")[outcome]]],
            _lines("sent", "The browser sends", step.sent),
            _lines("received", "It gets back", step.received),
        ],
    ]


def _lines(kind: str, label: str, lines: Iterable[str]) -> h.Node:
    listed = [*lines]
    mark = ">" if kind == "sent" else "<"
    return (
        listed
        and h.pre(class_=f"lines {kind}", aria_label=label, tabindex="0", role="group")[
            "\n".join(f"{mark} {printable(line)}" for line in listed)
        ]
    )


def _engines(explanation: Explanation) -> h.Node:
    return h.section(aria_labelledby="engines-title")[
        h.h2("#engines-title")["What each browser makes of it"],
        h.dl(".engines")[(_engine(engine, seen) for engine, seen in explanation.engines.items())],
    ]


def _engine(engine: Engine, seen: Seen) -> h.Node:
    bad = seen.outcome == "blocked"
    return h.div(class_=f"engine {seen.outcome}", id=f"engine-{engine}")[
        h.dt[ENGINES[engine]],
        h.dd[
            h.span(class_=["word", "bad" if bad else "good"])[_VERDICTS[seen.outcome]],
            seen.message and [" Its console prints:", h.pre(".console", tabindex="0")[_printable_lines(seen.message)]],
        ],
    ]


def _printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _rules(rules: tuple[RuleAtWork, ...]) -> h.Node:
    return h.section(aria_labelledby="rules-title")[
        h.h2("#rules-title")["The rule at work"],
        h.ul(".rules")[(_rule(rule) for rule in rules)] if rules else h.p["No rule covers this origin."],
    ]


def _rule(rule: RuleAtWork) -> h.Node:
    where = f"/policies/{quote(rule.policy, safe='')}"
    return h.li[h.a(href=where)[f"Policy {printable(rule.policy)}"], f", rule {rule.number}: {printable(rule.words)}."]


def _mending(explanation: Explanation, carry: str | None) -> h.Node:
    message = next((step.message for step in explanation.steps if step.step == "mending"), "")
    mending = explanation.mending
    return h.section(aria_labelledby="mending-title", id="mending")[
        h.h2("#mending-title")["What mends it"],
        h.p[printable(message) or "Nothing in your policies can mend it."],
        mending is not None and [patch_lines(mending.patch), _also(mending), _carry(carry)],
    ]


def _carry(where: str | None) -> h.Node:
    return where and h.p[h.a(".button", href=where)["Carry this into a change"]]


def _also(mending: Mending) -> h.Node:
    if not mending.also_allows:
        return h.p["It allows nothing else."]
    return [
        h.h3["What else it would allow"],
        h.ul(".also")[map(_allowed, mending.also_allows)],
    ]


def _allowed(one: Allowed) -> h.Node:
    return h.li[
        f"{printable(one.policy)}: {printable(one.sentence)}",
        one.witness is not None and [" Such as: ", h.q[printable(query_in_words(one.witness))], "."],
    ]
