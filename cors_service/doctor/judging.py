"""What is wrong, judged from recorded exchanges by the model of the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from cors_service.browser import Behaviour, Request, Step, Verdict, cors_check
from cors_service.browser.headers import ListSyntaxError, extract_list, get_decode_split, values_of
from cors_service.decision import Decision
from cors_service.doctor.codes import Code
from cors_service.doctor.evidence import decided_origin, evidence_of
from cors_service.doctor.exchanges import Answer, Exchange, Role
from cors_service.doctor.layers import at_fault
from cors_service.doctor.mending import mend
from cors_service.doctor.near_misses import near_misses
from cors_service.doctor.sharing_caches import mixed_up, without_vary
from cors_service.doctor.verdicts import astray, is_readable, objections, of_page, printed, verdict_of
from cors_service.doctor.visit import passes
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
_MOST_EXCHANGES: Final = 3


class Finding(Struct, frozen=True):
    """Something that is wrong, or that nothing is.

    Attributes:
        code: Which kind.
        evidence: See `evidence_of`.
        sentence: What the browser prints about it, perhaps several lines; empty if it prints nothing.
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
        engine: The page's browser.
        exchanges: What was asked and answered, in order.
        decisions: What policies say to each of the requests; empty if they were not asked.
        findings: What was found; `healthy` alone if nothing is wrong.
        readable: Whether the page would read the answer; None if a redirect leads to where nobody asked.
    """

    request: Request
    engine: Behaviour
    exchanges: tuple[Exchange, ...]
    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]
    readable: bool | None

    @property
    def is_reached(self) -> bool:
        """Whether anybody answered."""
        return any(exchange.answer is not None for exchange in self.exchanges)


def diagnose(
    request: Request,
    exchanges: Sequence[Exchange],
    decisions: Sequence[Decision] = (),
    engine: Behaviour = Behaviour.CHROMIUM,
) -> Diagnosis:
    """Say what is wrong.

    Args:
        request: The page's request.
        exchanges: What came of a visit.
        decisions: What policies say to each of the requests. An origin that they allow is allowed on purpose.
        engine: The page's browser.
    """
    judge = _Judge(request, exchanges, decisions, engine)
    readable = is_readable(exchanges, engine)
    return Diagnosis(request, engine, tuple(exchanges), tuple(decisions), tuple(judge.findings()), readable)


class _Judge:
    """Judges the exchanges of one visit."""

    def __init__(
        self, page: Request, exchanges: Sequence[Exchange], decisions: Sequence[Decision], engine: Behaviour
    ) -> None:
        self._page = page
        self._engine = engine
        self._hows = {near.origin: near.how for near in near_misses(page.origin)}
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
            yield Finding(Code.HEALTHY, self._evidence(of_page(self._exchanges)), "", "")

    def _finding(self, code: Code, several: Sequence[tuple[Exchange, str]]) -> Finding:
        exchanges = list(dict.fromkeys(exchange for exchange, _ in several))
        evidence = self._evidence(exchanges[:_MOST_EXCHANGES])
        if len(exchanges) > _MOST_EXCHANGES:
            evidence += (f"and {len(exchanges) - _MOST_EXCHANGES} more",)
        answered = [exchange.answer for exchange in exchanges if exchange.answer is not None]
        usual = None if exchanges[0].question.role is Role.ACTUAL else self._usual
        words = [at_fault(answered[0], usual), mend(code, answered[0], self._usual)] if answered else [mend(code)]
        if code is Code.NEAR_MISS_ALLOWED:
            words.insert(0, f"Allowed: {'; '.join(self._hows[each.question.origin or ''] for each in exchanges)}.")
        elif code is Code.UNANSWERED:
            words.insert(0, self._left_open(exchanges))
        sentence = next((text for _, text in several if text), "")
        return Finding(code, evidence, sentence, " ".join(filter(None, words)))

    def _evidence(self, exchanges: Sequence[Exchange]) -> tuple[str, ...]:
        return tuple(line for each in exchanges for line in evidence_of(each, self._decided.get(each)))

    def _is_meant(self, exchange: Exchange) -> bool:
        decision = self._decided.get(exchange)
        return decision is not None and decision.allowed is True

    def _found(self) -> Iterator[tuple[Code, Exchange, str]]:
        for exchange in of_page(self._exchanges):
            yield from self._asked_by_page(exchange)
        yield from self._error()
        yield from self._others()
        for exchange in without_vary(self._by_role):
            yield Code.VARY_MISSING, exchange, ""
        for exchange in mixed_up(self._by_role):
            verdict = verdict_of(exchange, self._engine)
            sentence = "" if verdict is None else printed(exchange, verdict, self._page, self._engine)
            yield Code.CACHE_MIXES_ORIGINS, exchange, sentence
        for exchange in self._unanswered():
            yield Code.UNANSWERED, exchange, exchange.failure

    def _asked_by_page(self, exchange: Exchange) -> Iterator[tuple[Code, Exchange, str]]:
        answer = exchange.answer
        if answer is None:
            yield Code.UNREACHABLE, exchange, exchange.failure
            return
        is_preflight = exchange.question.role.is_preflight_of_page
        for verdict, sentence in objections(exchange, self._page, self._engine):
            code = _preflight_code(verdict, answer) if is_preflight else self._actual_code(verdict, answer)
            if code is not None:
                yield code, exchange, sentence
        if why := astray(exchange, of_page(self._exchanges)):
            yield Code.UNREACHABLE, exchange, why
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
            yield Code.ERROR_WITHOUT_HEADERS, error, printed(error, verdict, self._page, self._engine)

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

    def _unanswered(self) -> Iterator[Exchange]:
        """Give the requests that show nothing of the site: what is not found by them may be wrong nevertheless."""
        if self._usual is None:
            return
        for exchange in self._exchanges:
            role = exchange.question.role
            # Without an answer, one of the page is unreachable; and any error shows what errors have.
            is_judged = role.is_of_page if exchange.answer is None else role is Role.ERROR
            if exchange.is_unanswered and not is_judged:
                yield exchange

    def _left_open(self, unanswered: Sequence[Exchange]) -> str:
        """Say how many requests were not answered as usual, how, and what that leaves open."""
        statuses = sorted({exchange.answer.status for exchange in unanswered if exchange.answer is not None})
        nothing = ["no answer"] if any(exchange.answer is None for exchange in unanswered) else []
        roles = {exchange.question.role for exchange in unanswered}
        is_of_others = any(not (role.is_of_page or role is Role.ERROR) for role in roles)
        what = "what other origins get" if is_of_others else "what it usually answers there"
        got = " or ".join([*map(str, statuses), *nothing])
        return f"{len(unanswered)} of {len(self._exchanges)} requests got {got}: {what} is not known."


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
