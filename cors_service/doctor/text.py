"""What came of a visit, for people. What a site sent can't reach their terminal but as printable characters."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from cors_service.browser import Behaviour
from cors_service.doctor.codes import Code
from cors_service.doctor.judging import Diagnosis, Finding
from cors_service.grammar.mistakes import cut, plural

_WIDTH: Final = 100
_LONGEST_LINE: Final = 200
_LONGEST_TEXT: Final = 2000

Paint: TypeAlias = Callable[[str, bool], str]

BROWSERS: Final = {Behaviour.CHROMIUM: "Chromium", Behaviour.FIREFOX: "Firefox", Behaviour.WEBKIT: "WebKit"}
_TITLES: Final = {
    Code.ACAO_MISSING: "the page is not allowed",
    Code.ACAO_REPEATED: "Access-Control-Allow-Origin is there twice",
    Code.ACAO_LIST: "Access-Control-Allow-Origin has several origins",
    Code.ACAO_OTHER: "Access-Control-Allow-Origin is not what it should be",
    Code.ACAO_NOT_SERIALISED: "Access-Control-Allow-Origin is not what any browser sends",
    Code.ANY_ORIGIN_WITH_CREDENTIALS: "`*` together with cookies",
    Code.ORIGIN_REFLECTED: "every origin is allowed, with cookies",
    Code.NEAR_MISS_ALLOWED: "origins close to the page's are allowed, too",
    Code.NULL_ALLOWED: "the origin null is allowed",
    Code.ACAC_NOT_TRUE: "Access-Control-Allow-Credentials is not `true`",
    Code.VARY_MISSING: "Vary: Origin is missing",
    Code.CACHE_MIXES_ORIGINS: "a cache mixes up what is meant for several origins",
    Code.PREFLIGHT_STATUS: "the preflight's status is not 200 to 299",
    Code.PREFLIGHT_REDIRECT: "the preflight is redirected",
    Code.PREFLIGHT_AUTHENTICATED: "the preflight is asked for a login",
    Code.METHOD_MISSING: "the method is not on the list",
    Code.HEADER_MISSING: "a header is not on the list",
    Code.LIST_MALFORMED: "a list is malformed",
    Code.AUTHORIZATION_BY_WILDCARD: "Authorization is allowed by `*` alone",
    Code.MAX_AGE_MALFORMED: "Access-Control-Max-Age is malformed",
    Code.ERROR_WITHOUT_HEADERS: "errors have no CORS headers",
    Code.HEADERS_ON_REFUSAL: "refused origins get CORS headers",
    Code.UNREACHABLE: "no answer",
    Code.UNANSWERED: "not every request was answered as usual",
    Code.HEALTHY: "nothing is wrong",
}

_WITHOUT_ANSWER: Final = frozenset({Code.UNREACHABLE, Code.UNANSWERED})


def in_text(diagnosis: Diagnosis, paint: Paint = lambda text, _: text) -> str:
    """Write what was found.

    Args:
        diagnosis: What came of the visit.
        paint: Gives a text the colour of what is good or bad.
    """
    findings = ["\n".join(_finding(finding, paint)) for finding in diagnosis.findings]
    return "\n\n".join([*findings, _summary(diagnosis)])


def _finding(finding: Finding, paint: Paint) -> Iterator[str]:
    yield f"{paint(finding.code, finding.code is Code.HEALTHY)}: {_TITLES[finding.code]}"
    yield from (f"  {printable(line)}" for line in finding.evidence)
    if finding.sentence:
        what = "why" if finding.code in _WITHOUT_ANSWER else "browser"
        # Each in one line, so that it can be looked up.
        for line in finding.sentence.split("\n"):
            yield f"  {what:<8} {printable(line, _LONGEST_TEXT)}"
            what = ""
    if finding.mend:
        yield from _wrapped(printable(finding.mend, _LONGEST_TEXT))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent="  mend     ",
        subsequent_indent=" " * 11,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(diagnosis: Diagnosis) -> str:
    request, count = diagnosis.request, len(diagnosis.exchanges)
    asked = f"{count} {plural(count, 'request')} to {request.url}."
    if not diagnosis.is_reached:
        return asked
    cookies = " with cookies" if request.credentials else ""
    who = f"A page of {request.origin} that uses {request.method}{cookies}"
    browser = BROWSERS[diagnosis.engine]
    unsent = any(exchange.question.is_stand_in for exchange in diagnosis.exchanges)
    how = f", as far as a GET shows: {request.method} was not sent" if unsent else ""
    match diagnosis.readable:
        case None:
            return f"{asked} {who} is redirected to another host, or too often; that was not followed (see --follow)."
        case readable:
            return f"{asked} {who} {'can' if readable else 'can NOT'} read the answer in {browser}{how}."


def printable(text: str, longest: int = _LONGEST_LINE) -> str:
    """Write a text so that a terminal only shows it."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in cut(text, longest))
