"""The lines that tell what happened."""

from __future__ import annotations

from typing import Final

from cors_service.browser.headers import byte_lowercase
from cors_service.decision import Decision
from cors_service.doctor.exchanges import Exchange
from cors_service.doctor.layers import SHOWN

_MOST_LINES: Final = 20
_ALWAYS: Final = frozenset({"Accept", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"})
_MORE_THAN_LAYERS: Final = frozenset({"vary", "location", "cache-control"})


def evidence_of(exchange: Exchange, decision: Decision | None) -> list[str]:
    """Give the lines that were sent, behind `> `, those that came, behind `< `, and what a policy says, behind `= `.

    They are as they were, so that they must be escaped for terminals.
    """
    question, answer = exchange.question, exchange.answer
    sent = [f"> {question.method} {question.url}"]
    sent += [f"> {name}: {value}" for name, value in question.lines if name not in _ALWAYS]
    said = [] if decision is None else [_said(decision)]
    if answer is None:
        return [*sent, f"! {exchange.failure}", *said]
    shown = [f"< {name}:{value}" for name, value in answer.lines if _tells(byte_lowercase(name))]
    more = [f"and {len(shown) - _MOST_LINES} more lines"] if len(shown) > _MOST_LINES else []
    return [*sent, f"< {answer.status} {answer.phrase}".rstrip(), *shown[:_MOST_LINES], *more, *said]


def decided_origin(decision: Decision) -> str | None:
    """The origin that a decision allows."""
    return dict(decision.headers).get("Access-Control-Allow-Origin")


def _said(decision: Decision) -> str:
    verdict = f"{'allowed' if decision.allowed else 'refused'} [{decision.reason.code}]"
    origin = decided_origin(decision) or "none"
    return f"= policy {decision.policy}: {verdict}, Access-Control-Allow-Origin: {origin}"


def _tells(name: str) -> bool:
    return name.startswith("access-control-") or name in SHOWN or name in _MORE_THAN_LAYERS
