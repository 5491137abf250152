"""Why no edit of a policy lets an exchange through, and what does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cors_service.browser.request import is_forbidden_method
from cors_service.decision import BadQuery, Decision
from cors_service.decision.query import MAX_HEADER_BYTES, MAX_HEADER_NAMES, MAX_METHOD
from cors_service.explain._asking import Asked
from cors_service.explain._plans import Wanted, unlistable
from cors_service.explain.documents import Documents
from cors_service.grammar.mistakes import cut
from cors_service.grammar.origin import FILE
from cors_service.grammar.pattern import NULL
from cors_service.grammar.single import is_exact

_OF_GUARDS: Final = frozenset({"host-not-allowed", "cross-site", "origin-missing", "fetch-metadata-malformed"})
"""The reasons for which a guard refuses what its policy's rules may let in."""


def why_none(asked: Asked, decisions: Sequence[Decision], documents: Documents) -> str:
    """Say why no edit of a policy helps, and what does; nothing if one may.

    Args:
        asked: A blocked exchange.
        decisions: What is decided about it.
        documents: The documents.
    """
    request, mode = asked.request, asked.exchange.mode
    if asked.is_mixed:
        return "No policy mends mixed content: serve the URL over https."
    if is_forbidden_method(request.method):
        return f"No policy mends it: have the page use another method than {request.method}."
    if asked.exchange.redirected_from is not None:
        return "No policy mends it: have the page request this URL directly, and not by a redirect from another origin."
    if mode == "same-origin":
        return 'No policy mends it: the page asks with mode: "same-origin". Have it use "cors".'
    if mode == "no-cors" and request.method not in {"GET", "HEAD", "POST"}:
        return 'No policy mends it: have the page use the mode "cors", since it uses another method than GET and POST.'
    decision = blocked(decisions, asked)
    if decision is None:
        return _of_the_url(asked, documents)
    if mode == "no-cors" and not (decision.guard is not None and decision.guard.stops):
        return (
            f'No rule mends it: only resource_policy = "cross-origin" in policy {decision.policy} lets pages embed it.'
        )
    return _of_the_page(decision, asked, documents) or _of_the_guard(decisions[-1], asked)


def _of_the_url(asked: Asked, documents: Documents) -> str:
    try:
        documents.active.advise(asked.queries[-1])
    except BadQuery as error:
        if error.code == "no-policy-for-url":
            return ""
        helps = {
            "unknown-policy": "Name one that exists, or none, so that the URL finds it.",
            "url-ambiguous": "Have the page write the path in one way that every server reads alike.",
        }.get(error.code, "Have the page request an absolute URL of http or https.")
        return f"No edit of a policy mends it: {error.message} {helps}"
    return ""


def _of_the_page(decision: Decision, asked: Asked, documents: Documents) -> str:
    """Say what the page must do, where no rule can grant what it asks for."""
    code, method, origin = decision.reason.code, asked.request.method, asked.request.origin
    names = Wanted.of(asked).names
    helps = ""
    if code == "origin-malformed":
        helps = "have the page send an Origin as browsers do."
    elif code == "origin-needs-url":
        helps = "have the page request a URL with a host that can be read."
    elif not (origin in {NULL, FILE} or is_exact(origin)):
        helps = f"no policy can list an origin such as {cut(origin)}."
    elif method == "*" or len(method) > MAX_METHOD:
        helps = f"have the page use another method than {cut(method)}: no rule can grant it."
    elif len(names) > MAX_HEADER_NAMES or sum(map(len, names)) + len(names) > MAX_HEADER_BYTES:
        helps = f"have the page send fewer headers: {MAX_HEADER_NAMES} at most, with {MAX_HEADER_BYTES} characters."
    elif unlistable(names):
        helps = f"have the page use another header than {', '.join(unlistable(names))}: no rule can grant it alone."
    elif code == "method-not-allowed" and method != method.upper():
        rule = documents.policy_set.policies[decision.policy].rules[(decision.rule or 1) - 1]
        if method.upper() in rule.methods:
            helps = f"methods are case-sensitive. Have the page send {method.upper()}."
    return f"No policy mends it: {helps}" if helps else ""


def _of_the_guard(decision: Decision, asked: Asked) -> str:
    """Say what helps where a guard is in the way for another reason than its rules have."""
    guard = decision.guard
    if guard is None or not guard.stops or guard.reason.code not in _OF_GUARDS:
        return ""
    if guard.reason.code == "host-not-allowed":
        helps = "If people call the service by this host, add it to hosts of the guard."
    elif guard.reason.code == "origin-missing":
        helps = 'Have the caller say where it comes from, or give the guard without_origin = "allow".'
    else:
        helps = "The guard keeps out what does not ask by CORS: have the page use fetch() with the mode cors."
    mode = f" in the mode {asked.exchange.mode}" if asked.exchange.mode != "cors" else ""
    return f"No rule mends it: the guard of policy {decision.policy} refuses this request{mode}. {helps}"


def blocked(decisions: Sequence[Decision], asked: Asked) -> Decision | None:
    """The decision that keeps an exchange from passing; None if nothing was decided."""
    if not decisions:
        return None
    *before, actual = decisions
    if before and before[0].allowed is not True:
        return before[0]
    # Allowed, and the browser blocks it all the same: without credentials, say, where the page sends cookies.
    return actual
