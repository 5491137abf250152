"""What is wrong, judged from recorded exchanges by the model of the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from msgspec import Struct

from cors_service.browser import Behaviour, Request, Step, Verdict, cors_check, preflight_check
from cors_service.browser.headers import ListSyntaxError, byte_lowercase, extract_list, get_decode_split, values_of
from cors_service.decision import Decision
from cors_service.doctor.codes import Code
from cors_service.doctor.exchanges import CREDENTIALS, Answer, Exchange, Role
from cors_service.doctor.layers import SHOWN, at_fault
from cors_service.doctor.mending import mend
from cors_service.doctor.near_misses import near_misses
from cors_service.doctor.sharing_caches import mixed_up, without_vary
from cors_service.doctor.visit import passes, redirected
from cors_service.grammar.origin import read_origin

_LISTS: Final = ("access-control-allow-methods", "access-control-allow-headers", "access-control-expose-headers")
_CODES: Final = {
    Step.ACAO_MISSING: Code.ACAO_MISSING,
    Step.ACAO_WILDCARD_WITH_CREDENTIALS: Code.ANY_ORIGIN_WITH_CREDENTIALS,
    Step.ACAC_NOT_TRUE: Code.ACAC_NOT_TRUE,
    Step.PREFLIGHT_STATUS: Code.PREFLIGHT_STATUS,
    Step.PREFLIGHT_REDIRECT: Code.PREFLIGHT_REDIRECT,
    Step.ACAM_MALFORMED: Code.LIST_MALFORMED,
    Step.ACAH_MALFORMED: Code.LIST_MALFORMED,
    Step.METHOD_NOT_IN_ACAM: Code.METHOD_MISSING,
    Step.HEADER_NOT_IN_ACAH: Code.HEADER_MISSING,
}
_ABOUT_ORIGIN: Final = frozenset({Code.ACAO_MISSING, Code.ACAO_OTHER, Code.ERROR_WITHOUT_HEADERS})
_DELTA_SECONDS: Final = re.compile(r"[0-9]+")  # RFC 9111, section 1.2.2
_REVEALING: Final = (*_LISTS, "access-control-max-age")
_MOST_LINES: Final = 20
_MOST_EXCHANGES: Final = 3


class Finding(Struct, frozen=True):
    """Something that is wrong, or that nothing is.

    Attributes:
        code: Which kind.
        evidence: The lines that were sent, behind `> `, and that came, behind `< `; as they were, so that they must be
            escaped for terminals.
        sentence: What the browser prints about it; empty if it prints nothing.
        mend: What mends it.
    """

    code: Code
    evidence: tuple[str, ...]
    sentence: str
    mend: str


class Diagnosis(Struct, frozen=True):
    """What came of a visit.

    Attributes:
        request: The page's request.
        exchanges: What was asked and answered, in order.
        decisions: What policies say to each of the requests; empty if they were not asked.
        findings: What was found; `healthy` alone if nothing is wrong.
        readable: Whether the page would read the answer in Chromium; None if a redirect leads to where nobody asked.
    """

    request: Request
    exchanges: tuple[Exchange, ...]
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]
    readable: bool | None

    @property
    def is_reached(self) -> bool:
        """Whether anybody answered."""
        return any(exchange.answer is not None for exchange in self.exchanges)


def diagnose(request: Request, exchanges: Sequence[Exchange], decisions: Sequence[Decision] = ()) -> Diagnosis:
    """Say what is wrong.

    Args:
        request: The page's request.
        exchanges: What came of a visit.
        decisions: What policies say to each of the requests. An origin that they allow is allowed on purpose.
    """
    judge = _Judge(request, exchanges, decisions)
    return Diagnosis(request, tuple(exchanges), tuple(decisions), tuple(judge.findings()), is_readable(exchanges))


def decided_origin(decision: Decision) -> str | None:
    """The origin that a decision allows."""
    return dict(decision.headers).get("Access-Control-Allow-Origin")


def verdict_of(exchange: Exchange) -> Verdict | None:
    """What Chromium makes of an answer to the page; None if it is not one, or there was none."""
    question, answer = exchange.question, exchange.answer
    if answer is None or not question.role.is_of_page:
        return None
    if question.role.is_preflight_of_page:
        return preflight_check(question.request, answer.status, answer.lines, Behaviour.CHROMIUM)
    return cors_check(question.request, answer.lines)


def is_readable(exchanges: Sequence[Exchange]) -> bool | None:
    """Say whether a page would read the answer in Chromium; None if a redirect leads to where nobody asked."""
    asked = [exchange for exchange in exchanges if exchange.question.role.is_of_page]
    for exchange in asked:
        verdict = verdict_of(exchange)
        if not _says_nothing(exchange) and (verdict is None or not verdict.allowed):
            return False
    if not asked:
        return False
    if asked[-1].answer is None or asked[-1].answer.location is None:
        return True
    return False if _astray(asked[-1], asked) else None


def _astray(exchange: Exchange, asked: Sequence[Exchange]) -> str:
    """Say why browsers do not follow a redirect; empty if they do, or there is none."""
    if exchange.answer is None or exchange.answer.location is None or exchange.question.role.is_preflight_of_page:
        return ""
    following = redirected(exchange.question.request, exchange)
    if following is None:
        return "It redirects to what is not the URL of a site, or to one with a password."
    before = [each.question.request for each in asked[: asked.index(exchange) + 1]]
    return "It redirects in a circle." if following in before else ""


def _says_nothing(exchange: Exchange) -> bool:
    """Whether it is the error of a GET in the place of another method, which may not exist."""
    is_error = exchange.answer is not None and exchange.answer.status >= 400
    return is_error and exchange.question.is_stand_in and exchange.allowed_origin is None


class _Judge:
    """Judges the exchanges of one visit."""

    def __init__(self, request: Request, exchanges: Sequence[Exchange], decisions: Sequence[Decision]) -> None:
        self._hows = {near.origin: near.how for near in near_misses(request.origin)}
        self._exchanges = exchanges
        self._decided = dict(zip(exchanges, decisions, strict=False))
        self._by_role = {exchange.question.role: exchange for exchange in exchanges}
        actual = self._by_role.get(Role.ACTUAL)
        self._usual = None if actual is None else actual.answer

    def findings(self) -> Iterator[Finding]:
        """Give one finding for each code, in the order in which they are found."""
        found: dict[Code, list[tuple[Exchange, str]]] = {}
        for code, exchange, sentence in self._found():
            found.setdefault(code, []).append((exchange, sentence))
        if Code.CACHE_MIXES_ORIGINS in found:
            # What the page was given was not made for it.
            for code in _ABOUT_ORIGIN & found.keys():
                found[code] = [each for each in found[code] if each[0].question.role is not Role.ACTUAL]
        for code, several in found.items():
            if several:
                yield self._finding(code, several)
        if not any(found.values()):
            of_page = [exchange for exchange in self._exchanges if exchange.question.role.is_of_page]
            yield Finding(Code.HEALTHY, tuple(line for each in of_page for line in self._evidence(each)), "", "")

    def _finding(self, code: Code, several: Sequence[tuple[Exchange, str]]) -> Finding:
        exchanges = list(dict.fromkeys(exchange for exchange, _ in several))
        evidence = [line for exchange in exchanges[:_MOST_EXCHANGES] for line in self._evidence(exchange)]
        if len(exchanges) > _MOST_EXCHANGES:
            evidence.append(f"and {len(exchanges) - _MOST_EXCHANGES} more")
        first = exchanges[0]
        answered = [exchange.answer for exchange in exchanges if exchange.answer is not None]
        usual = None if first.question.role is Role.ACTUAL else self._usual
        words = [at_fault(answered[0], usual), mend(code, answered[0], self._usual)] if answered else [mend(code)]
        if code is Code.NEAR_MISS_ALLOWED:
            words.insert(0, f"Allowed: {'; '.join(self._hows[each.question.origin or ''] for each in exchanges)}.")
        sentence = next((text for _, text in several if text), "")
        return Finding(code, tuple(evidence), sentence, " ".join(filter(None, words)))

    def _evidence(self, exchange: Exchange) -> list[str]:
        decision = self._decided.get(exchange)
        if decision is None:
            return evidence_of(exchange)
        origin = decided_origin(decision) or "none"
        said = f"{'allowed' if decision.allowed else 'refused'} [{decision.reason.code}]"
        line = f"= policy {decision.policy}: {said}, Access-Control-Allow-Origin: {origin}"
        return [*evidence_of(exchange), line]

    def _is_meant(self, exchange: Exchange) -> bool:
        decision = self._decided.get(exchange)
        return decision is not None and decision.allowed is True

    def _found(self) -> Iterator[tuple[Code, Exchange, str]]:
        for exchange in self._exchanges:
            if exchange.question.role.is_of_page:
                yield from self._of_page(exchange)
        yield from self._error()
        yield from self._others()
        for exchange in without_vary(self._by_role):
            yield Code.VARY_MISSING, exchange, ""
        for exchange in mixed_up(self._by_role):
            verdict = verdict_of(exchange)
            yield Code.CACHE_MIXES_ORIGINS, exchange, "" if verdict is None else verdict.console

    def _of_page(self, exchange: Exchange) -> Iterator[tuple[Code, Exchange, str]]:
        answer = exchange.answer
        if answer is None:
            yield Code.UNREACHABLE, exchange, exchange.failure
            return
        is_preflight = exchange.question.role.is_preflight_of_page
        for verdict, sentence in _verdicts(exchange, answer):
            code = _preflight_code(verdict, answer) if is_preflight else self._actual_code(verdict, answer)
            if code is not None:
                yield code, exchange, sentence
        if astray := _astray(exchange, [each for each in self._exchanges if each.question.role.is_of_page]):
            yield Code.UNREACHABLE, exchange, astray
        decision = self._decided.get(exchange)
        if decision is not None and passes(exchange) and answer.allowed_origin != decided_origin(decision):
            yield Code.ACAO_OTHER, exchange, ""
        if any(_is_malformed(answer, name) for name in _LISTS):
            yield Code.LIST_MALFORMED, exchange, ""
        ages = values_of(answer.lines, "access-control-max-age")
        if is_preflight and ages and not (len(ages) == 1 and _DELTA_SECONDS.fullmatch(ages[0])):
            yield Code.MAX_AGE_MALFORMED, exchange, ""

    def _actual_code(self, verdict: Verdict, answer: Answer) -> Code | None:
        if verdict.step is Step.ACAO_MISSING and answer.status >= 400:
            asked = self._by_role.get(Role.PREFLIGHT)
            knows_cors = asked is not None and asked.allowed_origin is not None
            return Code.ERROR_WITHOUT_HEADERS if knows_cors or asked is None else None
        return _code(verdict, answer)

    def _error(self) -> Iterator[tuple[Code, Exchange, str]]:
        """Judge the page of an error, where the page's own answer has what it needs."""
        error, actual = self._by_role.get(Role.ERROR), self._by_role.get(Role.ACTUAL)
        if error is None or error.answer is None or error.answer.status < 400 or actual is None or not passes(actual):
            return
        verdict = cors_check(error.question.request, error.answer.lines)
        if verdict.step is Step.ACAO_MISSING:
            yield Code.ERROR_WITHOUT_HEADERS, error, verdict.console

    def _others(self) -> Iterator[tuple[Code, Exchange, str]]:
        """Judge what was answered to origins other than the page's."""
        strangers = [
            each
            for role in (Role.FRESH_STRANGER, Role.STRANGER_PREFLIGHT)
            if (each := self._by_role.get(role)) is not None and not self._is_meant(each)
        ]
        for exchange in strangers:
            if exchange.grants_credentials:
                yield Code.ORIGIN_REFLECTED, exchange, ""
            answer = exchange.answer
            if answer is not None and answer.allowed_origin is None and _reveals(answer):
                yield Code.HEADERS_ON_REFUSAL, exchange, ""
        if any(exchange.grants or exchange.allowed_origin == "*" for exchange in strangers):
            return
        for exchange in self._exchanges:
            role = exchange.question.role
            if self._is_meant(exchange) or not exchange.grants:
                continue
            if role is Role.FRESH_NULL or (role.is_of_page and exchange.question.origin == "null"):
                yield Code.NULL_ALLOWED, exchange, ""
            elif role is Role.NEAR_MISS:
                yield Code.NEAR_MISS_ALLOWED, exchange, ""


def _verdicts(exchange: Exchange, answer: Answer) -> Iterator[tuple[Verdict, str]]:
    """Judge an answer for the page, and once more for one with cookies if the answer speaks of them.

    Yields:
        What the standard says, and the sentence that a browser prints.
    """
    request = exchange.question.request
    # `false` says what leaving the header out says.
    offers = byte_lowercase(answer.get(CREDENTIALS) or "false") != "false"
    for credentials in sorted({request.credentials, request.credentials or offers}):
        page = replace(request, credentials=credentials)
        if exchange.question.role.is_preflight_of_page:
            verdict = preflight_check(page, answer.status, answer.lines)
            chromium = preflight_check(page, answer.status, answer.lines, Behaviour.CHROMIUM)
            yield verdict, chromium.console or verdict.console
        else:
            verdict = cors_check(page, answer.lines)
            yield verdict, verdict.console


def _preflight_code(verdict: Verdict, answer: Answer) -> Code | None:
    if verdict.allowed or 200 <= answer.status <= 299:
        return _code(verdict, answer)
    if answer.location is not None:
        return Code.PREFLIGHT_REDIRECT
    if answer.status in {401, 407} or answer.get("www-authenticate") is not None:
        return Code.PREFLIGHT_AUTHENTICATED
    # A service that refuses an origin may say so by 403. Everything else does not know what a preflight is.
    if verdict.step is Step.ACAO_MISSING and answer.status != 403:
        return Code.PREFLIGHT_STATUS
    return _code(verdict, answer)


def _code(verdict: Verdict, answer: Answer) -> Code | None:
    """The code of what a browser objects to."""
    step = verdict.step
    if step in {Step.ACAO_MULTIPLE, Step.ACAO_INVALID, Step.ACAO_MISMATCH}:
        return _origin_code(answer)
    if step is Step.AUTHORIZATION_NOT_IN_ACAH:
        any_name = "*" in get_decode_split(answer.lines, "access-control-allow-headers")
        return Code.AUTHORIZATION_BY_WILDCARD if any_name else Code.HEADER_MISSING
    return _CODES.get(step)


def _origin_code(answer: Answer) -> Code:
    values = values_of(answer.lines, "access-control-allow-origin")
    if len(values) > 1:
        return Code.ACAO_REPEATED
    if "," in values[0] or " " in values[0]:
        return Code.ACAO_LIST
    # A host may have a star in it, by the URL standard; here it is always meant as a wildcard.
    is_origin = values[0] == "null" or (read_origin(values[0]) is not None and "*" not in values[0])
    return Code.ACAO_OTHER if is_origin else Code.ACAO_NOT_SERIALISED


def _is_malformed(answer: Answer, name: str) -> bool:
    try:
        extract_list(answer.lines, name)
    except ListSyntaxError:
        return True
    return False


def _reveals(answer: Answer) -> bool:
    return any(values_of(answer.lines, name) for name in _REVEALING)


def evidence_of(exchange: Exchange) -> list[str]:
    """The lines of an exchange that tell what happened."""
    question, answer = exchange.question, exchange.answer
    sent = [f"> {question.method} {question.url}"]
    sent += [f"> {name}: {value}" for name, value in question.lines if byte_lowercase(name) != "accept"]
    if answer is None:
        return [*sent, f"! {exchange.failure}"]
    shown = [f"< {name}:{value}" for name, value in answer.lines if _tells(byte_lowercase(name))]
    more = [f"and {len(shown) - _MOST_LINES} more lines"] if len(shown) > _MOST_LINES else []
    return [*sent, f"< {answer.status} {answer.phrase}".rstrip(), *shown[:_MOST_LINES], *more]


def _tells(name: str) -> bool:
    return name.startswith("access-control-") or name in SHOWN or name in {"vary", "location", "cache-control"}
