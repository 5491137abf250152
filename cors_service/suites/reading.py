"""Reads suites: from a text to cases, with every mistake at once, those that only the policies show among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Final

from cors_service.decision import ActivePolicies, BadQuery
from cors_service.grammar.flaw import as_browsers_send, flaw_of
from cors_service.grammar.lines import toml_lines
from cors_service.grammar.mistakes import Path, shown
from cors_service.grammar.nearest import nearest
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import NULL
from cors_service.grammar.tokens import is_forbidden_request_header, is_token
from cors_service.suites.cases import CODES, Case, Expectation, Lines, Suite
from cors_service.suites.mistakes import InvalidSuite, SuiteError
from cors_service.suites.structure import parse

MOST_REQUESTS: Final = 10_000
"""Requests that the lists of a case may multiply to."""

# A header that is named without a value has one for which browsers ask, if there is such a value.
_VALUES: Final = {"content-type": "application/json"}
_ANY_VALUE: Final = "1"
_MANY: Final = ("origins", "methods", "headers")
# What depends on the page being able to read the answer.
_OF_READERS: Final = ("may_read", "timing")


class SuiteDraft:
    """A suite that was parsed, and waits for its policies.

    Attributes:
        name: What people call it, such as its path.
        policies: The path of the policies that it names, if it does.
        says_where: Whether it could be read where its policies are; without a word on that, they are beside it.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text
        self._document, self._mistakes = parse(text)
        self.policies: str | None = self._document.get("policies")
        self.says_where = not any(one.code == "syntax" or one.path[:1] == ("policies",) for one in self._mistakes)

    def with_policies(self, active: ActivePolicies | None) -> Suite:
        """Check the cases, and make the suite of them.

        Args:
            active: The policies; None if they could not be read.

        Raises:
            InvalidSuite: With every mistake, in the order of their lines.
        """
        mistakes = [*self._mistakes]
        bodies: list[tuple[int, Mapping[str, Any]]] = []
        for index, body in enumerate(self._document.get("cases", ())):
            if body is not None:
                bodies.append((index, body))
                mistakes += _problems(body, ("cases", index), active)
        if mistakes:
            raise InvalidSuite(self._placed(mistakes))
        lines = toml_lines(self._text, {("cases", index) for index, _ in bodies})
        return Suite(self.name, tuple(_case(body, lines.get(("cases", index))) for index, body in bodies))

    def _placed(self, mistakes: list[SuiteError]) -> list[SuiteError]:
        lines = toml_lines(self._text, {mistake.path for mistake in mistakes if mistake.line is None})
        for mistake in mistakes:
            mistake.file = self.name
            mistake.line = mistake.line or lines.get(mistake.path)
        return sorted(mistakes, key=lambda mistake: mistake.line or 0)


def _case(body: Mapping[str, Any], line: int | None) -> Case:
    urls, credentials = body.get("url"), body.get("credentials", False)
    policy = body.get("policy")
    target = f"policy {policy}" if policy is not None else _listed(urls)[0]
    return Case(
        name=body.get("name") or f"{target}: {body['expect']}",
        line=line,
        policy=policy,
        urls=(None,) if urls is None else _listed(urls),
        origins=tuple(body["origins"]),
        methods=tuple(body.get("methods", ["GET"])),
        headers=tuple(map(_lines, body.get("headers", [[]]))),
        credentials=_listed(credentials),
        expectation=Expectation(
            readable=body["expect"] == "readable",
            reason=body.get("reason"),
            rule=body.get("rule"),
            may_read=tuple(body.get("may_read", ())),
            may_not_read=tuple(body.get("may_not_read", ())),
            timing=body.get("timing"),
        ),
    )


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _lines(item: str | list[str]) -> Lines:
    """The headers of one request."""
    lines = []
    for text in [item] if isinstance(item, str) else item:
        name, colon, value = text.partition(":")
        lines.append((name, value.strip(" \t") if colon else _VALUES.get(name.lower(), _ANY_VALUE)))
    return tuple(lines)


def _problems(body: Mapping[str, Any], path: Path, active: ActivePolicies | None) -> Iterator[SuiteError]:
    yield from _problems_of_target(body, path, active)
    yield from _problems_of_origins(body, path)
    yield from _problems_of_tokens(body, path)
    for index, item in enumerate(body.get("headers", ())):
        for text in [item] if isinstance(item, str) else item:
            yield from _problems_of_header(text, (*path, "headers", index))
    yield from _problems_of_expectation(body, path)
    count = prod(len(_listed(body.get(key, [None]))) for key in (*_MANY, "url", "credentials"))
    if count > MOST_REQUESTS:
        message = f"The lists of the case multiply to {count} requests; {MOST_REQUESTS} is the most."
        yield SuiteError("too-many", message, hint="Write several cases.", path=path)


def _problems_of_origins(body: Mapping[str, Any], path: Path) -> Iterator[SuiteError]:
    for index, origin in enumerate(body["origins"]):
        # Browsers send even `https://*.example.com`, if there is a host of this name; nobody means it.
        if origin != NULL and (read_origin(origin) is None or "*" in origin):
            meant, flaw = as_browsers_send(origin), flaw_of(origin)
            message = f"{shown(origin)} is not an origin as browsers send it{': ' if flaw else ''}{flaw}."
            hint = f'Write "{meant}".' if meant else 'Write "https://app.example.com".'
            yield SuiteError("origin-malformed", message, hint=hint, path=(*path, "origins", index), value=origin)


def _problems_of_tokens(body: Mapping[str, Any], path: Path) -> Iterator[SuiteError]:
    for index, method in enumerate(body.get("methods", ())):
        if not is_token(method):
            hint = 'A method is one word, such as "PUT".'
            message = f"{shown(method)} is not a method."
            yield SuiteError("method-malformed", message, hint=hint, path=(*path, "methods", index), value=method)
    for key in ("may_read", "may_not_read"):
        for index, name in enumerate(body.get(key, ())):
            if not is_token(name):
                message = f"{shown(name)} is not the name of a header."
                yield SuiteError("header-malformed", message, path=(*path, key, index), value=name)


def _problems_of_target(body: Mapping[str, Any], path: Path, active: ActivePolicies | None) -> Iterator[SuiteError]:
    policy, urls = body.get("policy"), body.get("url")
    if policy is None and urls is None:
        hint = 'Write policy = "NAME", or url = "https://api.example.com/things".'
        yield SuiteError("no-policy", "The case names neither a policy nor a URL.", hint=hint, path=path)
    if active is None:
        return
    known = active.policy_set.policies
    if policy is not None and policy not in known:
        near = nearest(policy, known)
        hint = f'Did you mean "{near}"?' if near else ""
        message = f"There is no policy {shown(policy)}."
        yield SuiteError("unknown-policy", message, hint=hint, path=(*path, "policy"), value=policy)
    for index, url in enumerate(() if urls is None else _listed(urls)):
        try:
            active.policy_for(url)
        except BadQuery as error:
            if policy is None or error.code != "no-policy-for-url":
                where = (*path, "url", index) if isinstance(urls, list) else (*path, "url")
                yield SuiteError("url-malformed", error.message, path=where, value=url)


def _problems_of_header(text: str, path: Path) -> Iterator[SuiteError]:
    name, _, value = text.partition(":")
    if not is_token(name) or not (value.isascii() and value.replace("\t", "").isprintable()):
        hint = 'Write "x-name", or "x-name: value".'
        yield SuiteError("header-malformed", f"{shown(text)} is not a header.", hint=hint, path=path, value=text)
    elif is_forbidden_request_header(name.lower()):
        hint = "Use credentials = true for cookies." if name.lower() == "cookie" else "Remove it."
        message = f"Browsers let no page set {shown(name)}."
        yield SuiteError("header-forbidden", message, hint=hint, path=path, value=text)


def _problems_of_expectation(body: Mapping[str, Any], path: Path) -> Iterator[SuiteError]:
    reason = body.get("reason")
    if reason is not None and reason not in CODES:
        near = nearest(reason, CODES)
        hint = f'Did you mean "{near}"?' if near else f"The reasons are {', '.join(sorted(CODES))}."
        message = f"There is no reason {shown(reason)}."
        yield SuiteError("unknown-reason", message, hint=hint, path=(*path, "reason"), value=reason)
    if body["expect"] == "blocked":
        for key in _OF_READERS:
            if body.get(key):
                message = f"A page that is blocked reads nothing, and the case has {key}."
                yield SuiteError("contradiction", message, hint=f"Remove {key}.", path=(*path, key))
