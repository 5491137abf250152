"""The judge of pairs, a document and an exchange: what we decide is what the document says and what a browser does.

Three parties that share no code have to agree whether the page may send its request and read the answer: our
decisions, the document as it is read here, and a browser that is given our headers. The browser alone would not do:
it can't know that an origin which our headers name is not the document's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from cors_service.browser import Behaviour, Request, Verdict, fetch_verdict
from cors_service.decision import ActivePolicies, Decision
from cors_service.policy import read_document
from cors_service.testing import Exchange, Neighbourhood, draw_document
from cors_service.testing.documents import Document
from tests import naive

EXCHANGES = 50
"""How many exchanges of a document are judged."""

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_UPPER_CASED = {"delete": "DELETE", "get": "GET", "head": "HEAD", "options": "OPTIONS", "post": "POST", "put": "PUT"}
_NEVER_SENT = {"CONNECT", "TRACE", "TRACK"}


class Judgement(NamedTuple):
    """What is thought of one pair.

    Attributes:
        reason: The reason code of the decision that counts: of the preflight, if that is refused.
        allowed: Whether we let the page send its request and read the answer.
        credentials: Whether with credentials, too, as the document says.
        is_wrong: Whether somebody disagrees.
    """

    reason: str
    allowed: bool
    credentials: bool
    is_wrong: bool


class WrongPair(AssertionError):
    """A pair on which not all agree; the message shows all that there is to know about it."""


def judge(document: Document, policies: ActivePolicies, exchange: Exchange) -> Judgement:
    """Judge one pair.

    Args:
        document: The policies as written.
        policies: What the document was compiled to.
        exchange: A request of a page, and what arrives of it.
    """
    decisions = [policies.decide(query) for query in exchange.queries]
    deciding = next((decision for decision in decisions if decision.allowed is False), decisions[-1])
    allowed = deciding.allowed is not False
    without, with_credentials = written_grant(document, exchange)
    if document["policies"][exchange.policy].get("static") and deciding.reason.code == "multiple-origins":
        # No browser sends several; the answer does not depend on them, and is of use to the origin that it names.
        return Judgement(deciding.reason.code, allowed, with_credentials, is_wrong=allowed)
    wrong = allowed != without
    for credentials, granted in ((False, without), (True, with_credentials)):
        wrong = wrong or any(granted != passes for passes in _browsers(exchange, decisions, credentials=credentials))
    return Judgement(deciding.reason.code, allowed, with_credentials, wrong)


def judge_some(document: Document, random: Random, count: int = EXCHANGES) -> Iterator[Judgement]:
    """Judge some pairs of one document.

    Args:
        document: The policies as written.
        random: Where the choices come from.
        count: How many pairs.

    Raises:
        WrongPair: Not all agree.
    """
    policies = ActivePolicies(read_document(document))
    near = Neighbourhood(document)
    for _ in range(count):
        exchange = near.draw_exchange(random)
        judgement = judge(document, policies, exchange)
        if judgement.is_wrong:
            raise WrongPair(explanation(document, policies, exchange))
        yield judgement


def judge_numbered(seed: int, number: int) -> Iterator[Judgement]:
    """Judge some pairs of one document out of an endless series.

    Args:
        seed: The name of the series.
        number: The place of the document in it.

    Raises:
        WrongPair: Not all agree.
    """
    random = Random(f"{seed}/{number}")
    return judge_some(draw_document(random, expressions=True), random)


def explanation(document: Document, policies: ActivePolicies, exchange: Exchange) -> str:
    """Write down a pair, and what everybody thinks of it."""
    decisions = [policies.decide(query) for query in exchange.queries]
    lines = [f"document: {document!r}"]
    for query, decision in zip(exchange.queries, decisions, strict=True):
        lines += [f"query: {query!r}", f"decision: {decision!r}"]
    for credentials, granted in zip((False, True), written_grant(document, exchange), strict=True):
        sent = _sent(exchange.request, credentials=credentials)
        lines += [f"request: {sent!r}", f"  as the document says: {'allowed' if granted else 'refused'}"]
        for behaviour in Behaviour:
            lines.append(f"  browser ({behaviour.value}): {_verdict(sent, exchange, decisions, behaviour)!r}")
    return "\n".join(lines)


def _browsers(exchange: Exchange, decisions: list[Decision], *, credentials: bool) -> Iterator[bool]:
    sent = _sent(exchange.request, credentials=credentials)
    for behaviour in Behaviour:
        yield _verdict(sent, exchange, decisions, behaviour).allowed


def _verdict(sent: Request, exchange: Exchange, decisions: list[Decision], behaviour: Behaviour) -> Verdict:
    asked = None if exchange.preflight is None else (decisions[0].status or 0, decisions[0].headers)
    return fetch_verdict(sent, decisions[-1].headers, asked, behaviour=behaviour)


def _sent(request: Request, *, credentials: bool) -> Request:
    return request if request.credentials == credentials else replace(request, credentials=credentials)


# The document, as docs/document.md and docs/decisions.md say that it is read.


def written_grant(document: Document, exchange: Exchange) -> tuple[bool, bool]:
    """Say whether a document grants what a page asks for, without and with credentials."""
    request = exchange.request
    if request.same_origin:
        return True, True
    rule = _deciding_rule(document, exchange)
    if rule is None or rule.get("refuse") or not _grants_method(rule, request.method):
        return False, False
    if exchange.preflight is not None and not _grants_preflight(_headers(document, rule), exchange.preflight):
        return False, False
    return True, rule.get("credentials", False)


def _deciding_rule(document: Document, exchange: Exchange) -> Mapping[str, Any] | None:
    body = document["policies"][exchange.policy]
    rules: list[Mapping[str, Any]] = body.get("rules") or [body]
    if len(rules) == 1 and "*" in _patterns(document, rules[0]) and not rules[0].get("refuse"):
        return rules[0]  # Its answers do not depend on Origin.
    origins = _values(exchange.actual, "origin")
    if len(origins) != 1:
        return None
    matches, url = body.get("match", ()), exchange.request.url
    for rule in rules:
        patterns = [naive.bind(pattern, matches, url) for pattern in _patterns(document, rule)]
        if naive.any_covers(patterns, origins[0]):
            return rule
    return None


def _patterns(document: Document, rule: Mapping[str, Any]) -> list[str]:
    listed: list[str] = rule["origins"]
    if listed[0].startswith("@"):
        listed = document["origin_sets"][listed[0][1:]]
    return listed


def _headers(document: Document, rule: Mapping[str, Any]) -> list[str]:
    listed: list[str] = []
    for name in rule.get("request_headers", []):
        listed.extend(document["header_sets"][name.removeprefix("@")] if name.startswith("@") else [name])
    return [name.lower() for name in listed]


def _grants_method(rule: Mapping[str, Any], method: str) -> bool:
    listed = [_UPPER_CASED.get(name.lower(), name) for name in rule.get("methods", ["GET", "HEAD", "POST"])]
    if len(method) > 64 or method == "*" or method.upper() in _NEVER_SENT:
        return False
    return method in listed or "*" in listed or (method == "HEAD" and "GET" in listed)


def _grants_preflight(listed: list[str], lines: tuple[tuple[str, str], ...]) -> bool:
    asked = _values(lines, "access-control-request-headers")
    members = [member.strip(" \t") for line in asked for member in line.split(",")]
    names = [member for member in members if member]
    return (
        all(map(_is_token, _values(lines, "access-control-request-method")))
        and len(members) <= 64
        and sum(map(len, asked)) <= 4096
        and all(_is_token(name) and _grants_header(listed, name.lower()) for name in names)
    )


def _grants_header(listed: list[str], name: str) -> bool:
    if name in {"*", "authorization"}:
        return name == "authorization" and name in listed
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in listed)


def _is_token(text: str) -> bool:
    return text != "" and set(text) <= _TOKEN


def _values(lines: tuple[tuple[str, str], ...], name: str) -> list[str]:
    return [value for header, value in lines if header.lower() == name]
