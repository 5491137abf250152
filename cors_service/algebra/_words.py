"""Differences in words."""

from __future__ import annotations

from typing import Final

from cors_service.algebra._policies import Found
from cors_service.algebra._values import Answer
from cors_service.decision import Decision
from cors_service.grammar.mistakes import cut, shown

_MAY: Final = {
    "method": "{who} {may} use the method {item}.",
    "request-header": "{who} {may} send the header {item}.",
    "credentials": "{who} {may} send cookies and the like.",
    "max-age": "Browsers remember the answers to preflights for another number of seconds: {item}.",
    "status": "Preflights are answered with another status: {item}.",
    "caching": "The answers depend on other headers of the request, which matters to caches (Vary).",
}


def sentence(found: Found) -> str:
    """Say in a sentence what differs; the policy is named beside it."""
    if not found.by_url:
        return _sentence(found)
    finding = found.finding
    ending = "" if found.finding.effect.what == "url" else f" {_sentence(found)}"
    return f"{finding.query.url} finds {_found(finding.after)} instead of {_found(finding.before)}.{ending}"


def _sentence(found: Found) -> str:
    effect, query = found.finding.effect, found.finding.query
    is_wider = effect.direction == "wider"
    item = cut(effect.item, 200)
    may = "may" if is_wider else "may no longer"
    if effect.what == "origin":
        return f"{_who(found)} {may} use it{_by(found)}."
    if effect.what == "exposed-header":
        return f"{_who(found)} {may} read {'every header' if item == '*' else f'the header {item}'} of answers."
    if effect.what == "timing":
        return f"{_who(found) if query.origins else _everybody(item)} {may} measure how long requests take."
    if effect.what == "embedding":
        return f"Cross-Origin-Resource-Policy is {item}, so {'more' if is_wider else 'fewer'} pages can embed answers."
    if effect.what == "guard":
        return _about_guard(found)
    if effect.what in {"policy", "url"}:
        return _about_finding(found)
    return _MAY[effect.what].format(who=_who(found), may=may, item=item)


def _about_guard(found: Found) -> str:
    effect = found.finding.effect
    if effect.direction == "other":
        return f"The guard reports other requests, such as {_request(found)}."
    if effect.direction == "wider":
        return f"The guard lets requests pass that it refused ({effect.item}), such as {_request(found)}."
    return f"The guard refuses requests that passed ({effect.item}), such as {_request(found)}."


def _who(found: Found) -> str:
    query, after = found.finding.query, found.finding.after
    if not query.origins:
        return "Everybody"
    pattern = found.after or found.before
    rule = after.rule if isinstance(after, Decision) and not pattern else None
    if rule is None:
        covered = "" if pattern in {"", query.origins[0]} else f" (by {shown(pattern)})"
        return f"Pages of {shown(query.origins[0])}{covered}"
    # It is about every pattern that rules of these numbers share, not about the one of this origin.
    return f"Pages that rule {rule} covers, such as those of {shown(query.origins[0])},"


def _by(found: Found) -> str:
    before, after = found.finding.before, found.finding.after
    answer = after if found.finding.effect.direction == "wider" else before
    other = before if answer is after else after
    covers = "covers" if answer is after else "covered"
    rule = f": rule {answer.rule} {covers} them" if isinstance(answer, Decision) and answer.rule else ""
    if isinstance(other, Decision) and other.reason.code == "origin-refused":
        return f"{rule}, and rule {other.rule} {'refused' if other is before else 'refuses'} them"
    return rule


def _everybody(item: str) -> str:
    return "Every page" if item == "*" else f"Pages of {item}"


def _request(found: Found) -> str:
    query = found.finding.query
    return f"{query.method} from {shown(query.origins[0]) if query.origins else 'no origin'}"


def _about_finding(found: Found) -> str:
    finding = found.finding
    if finding.effect.what == "url":
        return f"Requests to {finding.query.url} from its own origin find {_found(finding.after)}."
    verb = "is new" if isinstance(finding.after, Decision) else "is gone"
    who = _who(found)
    who = who[0].lower() + who[1:]
    lets = {"wider": f", and lets {who} in", "narrower": f", which let {who} in"}
    return f"The policy {verb}{lets.get(finding.effect.direction, '')}."


def _found(answer: Answer) -> str:
    if not isinstance(answer, Decision):
        return {"no-policy-for-url": "no policy", "url-ambiguous": "different ones in its readings"}[answer.code]
    own = " as its own origin" if answer.kind == "same-origin" else ""
    return f"policy {answer.policy}{own}"
