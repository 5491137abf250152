"""Whether documents let an exchange through."""

from __future__ import annotations

from cors_service.decision import BadQuery
from cors_service.explain import _engines
from cors_service.explain._asking import Asked
from cors_service.explain.documents import Documents


def passes(asked: Asked, documents: Documents) -> bool:
    """Say whether documents let an exchange through: every engine, and every guard."""
    try:
        decisions = tuple(map(documents.active.decide, asked.queries))
    except BadQuery:
        return False
    if decisions[-1].is_stopped:
        return False
    answers = _engines.answers_of(decisions)
    if asked.exchange.mode != "cors":
        return asked.exchange.mode != "no-cors" or _engines.embedded(asked, answers) != "blocked"
    return all(one.allowed for one in _engines.verdicts(asked, answers).values())
