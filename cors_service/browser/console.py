"""What a console prints when it blocks a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from cors_service.browser.browsers import Behaviour
from cors_service.browser.headers import is_token
from cors_service.browser.sentences import (
    AFTER,
    ASKED,
    BEFORE,
    BY_XHR,
    ERRORS,
    LOADING,
    REDIRECTED,
    REDIRECTING,
    SCHEMES,
    SENTENCES,
    Sentence,
)
from cors_service.browser.verdict import Step

_APIS: Final = {Behaviour.WEBKIT: {"fetch": "Fetch API"}}
"""What an engine calls the ways to ask, where it has a name of its own."""
_KINDS: Final = {"fetch": "resource", "XMLHttpRequest": "XMLHttpRequest endpoint"}
"""What Chromium calls what is asked for."""
_CREDENTIALS: Final = re.compile(r"//[^/@]*@")


@dataclass(frozen=True, slots=True)
class Failure:
    """A step at which an exchange failed, with the facts that consoles name.

    Attributes:
        step: The step.
        url: The URL that was asked; of a redirected request, the last one.
        origin: The serialised origin of the page.
        value: What the step objects to, as in a :class:`~cors_service.browser.Verdict`; of a network error its
            name in Chromium, such as ``ERR_CONNECTION_REFUSED``.
        preflight: Whether it was the preflight that failed.
        status: The status of the answer that failed; None if there was no answer.
        redirected_from: The first URL of a redirected request; None of others.
        api: What the page asked with: ``fetch``, ``XMLHttpRequest`` or ``WebSocket``; what is loaded otherwise is in
            Chromium a ``script``, an ``image``, a ``font`` and the like.
        repeated: Whether the header that the step objects to came more than once.
        sent_origin: The Origin that the request carried, if that is not the page's: ``null`` after some redirects.
        leads_to: The URL to which the answer that failed leads, if it is a redirect.
        page: The URL of the page; None stands for that of its origin.
    """

    step: Step
    url: str
    origin: str
    value: str = ""
    preflight: bool = False
    status: int | None = None
    redirected_from: str | None = None
    api: str = "fetch"
    repeated: bool = False
    sent_origin: str | None = None
    leads_to: str | None = None
    page: str | None = None


def console_lines(engine: Behaviour, failure: Failure) -> tuple[str, ...]:
    """Write what an engine's console prints when it blocks a page.

    Args:
        engine: Chromium, Firefox or WebKit.
        failure: What went wrong.

    Returns:
        The lines, in order; none where the step allows, or where the engine prints nothing.
    """
    sentence = _sentence(engine, failure)
    if sentence is None:
        return ()
    facts = _facts(engine, failure)
    text = sentence.text.format_map(facts)
    if sentence.alone:
        return (text,)
    before, after = BEFORE[engine].format_map(facts), AFTER[engine].format_map(facts)
    if engine is Behaviour.CHROMIUM and failure.preflight and not sentence.preflight:
        before += ASKED
    if engine is Behaviour.WEBKIT and failure.leads_to is not None and not failure.preflight:
        before = REDIRECTING.format_map(facts)
    return (before + text, after) if after else (before + text,)


def _sentence(engine: Behaviour, failure: Failure) -> Sentence | None:
    for sentence in _sentences(engine).get(failure.step, ()):
        fits = (
            (failure.repeated or not sentence.repeated)
            and ("," in failure.value or not sentence.separated)
            and sentence.only_for in {"", failure.value}
            and sentence.only_by in {"", failure.api}
            and (failure.origin.startswith("http:") or not sentence.insecure)
        )
        # WebKit says nothing of a request without an answer, but of such a preflight.
        silent = failure.step is Step.NETWORK_ERROR and sentence.preflight and not failure.preflight
        if fits and not silent:
            return sentence
    return None


@cache
def _sentences(engine: Behaviour) -> dict[Step, list[Sentence]]:
    """The sentences of each step, the usual one first."""
    found: dict[Step, list[Sentence]] = {}
    for sentence in SENTENCES:
        if sentence.engine is engine:
            for step in sentence.steps:
                found.setdefault(step, []).append(sentence)
    return found


def _facts(engine: Behaviour, failure: Failure) -> dict[str, str]:
    redirected = REDIRECTED.format(redirected_from=failure.redirected_from) if failure.redirected_from else ""
    # Firefox puts the URL into quotes in one of its sentences.
    quoted = engine is Behaviour.FIREFOX and failure.step is Step.ACAO_WILDCARD_WITH_CREDENTIALS
    leads_to = failure.leads_to or ""
    value = _printable(_value(engine, failure))
    return {
        **dict.fromkeys(ERRORS, failure.value),
        "api": _APIS.get(engine, {}).get(failure.api, failure.api),
        "by_xhr": BY_XHR if failure.api == "XMLHttpRequest" else "",
        "directive": value,
        "fallback": "",
        "host": urlsplit(failure.url).hostname or "",
        "kind": _KINDS.get(failure.api, failure.api),
        "leads_to": _CREDENTIALS.sub("//", leads_to),
        "loading": LOADING,
        "origin": failure.origin,
        "page": failure.page or f"{failure.origin}/",
        "redirected": redirected,
        "schemes": SCHEMES,
        "sent_origin": failure.sent_origin or failure.origin,
        "status": "(null)" if failure.status is None else str(failure.status),
        "too_many_redirects": "ERR_TOO_MANY_REDIRECTS",
        "what": failure.api,
        "url": f"‘{failure.url}’" if quoted else failure.url,
        "value": value,
        "with_credentials": leads_to,
    }


def _value(engine: Behaviour, failure: Failure) -> str:
    """What an engine says a step objects to."""
    if engine is Behaviour.FIREFOX and failure.step in {Step.ACAM_MALFORMED, Step.ACAH_MALFORMED}:
        elements = [element.strip(" \t") for element in failure.value.split(",")]
        return next((element for element in elements if element and not is_token(element)), failure.value)
    return failure.value


def _printable(text: str) -> str:
    return "".join(char if " " <= char <= "~" else f"\\u{ord(char):04X}" for char in text)
