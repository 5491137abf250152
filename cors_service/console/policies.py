"""`/policies`: found by name, by URL, or by the origin that may do something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

import htpy as h
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from cors_service.access.callers import Caller
from cors_service.admin.endpoint import number, parameters
from cors_service.console.page import Page
from cors_service.console.parts import badge, count, counted, name, plain, policy_link, rows
from cors_service.console.policy import PolicyPage
from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.grammar.origin import read_origin
from cors_service.ledger.kept import Kept
from cors_service.policy.model import Policy, PolicySet
from cors_service.policy.words import in_words, rule_in_words
from cors_service.web.answer import Answer
from cors_service.web.later import Later
from cors_service.web.request import AnyRequest

PATH: Final = "/policies"
_ON_A_PAGE: Final = 100
_LONGEST: Final = 2000
"""Characters of a question."""
_MOST_PAGES: Final = 1_000_000
_DEFAULT: Final = "https://"


class Reach(NamedTuple):
    """What a policy says about an origin.

    Attributes:
        policy: The policy.
        rule: The number of its rule that covers the origin.
        refuses: Whether that rule refuses it.
    """

    policy: Policy
    rule: int
    refuses: bool


class PoliciesPage(Page):
    """The page."""

    section = PATH

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Answer | Later:
        """List policies, or answer a question."""
        given = parameters(request, "q", "page")
        asked = given.get("q", "").strip()[:_LONGEST]
        page = max(number(given, "page", 1, _MOST_PAGES), 1)
        kept = self.desk.changes.kept
        policies = [one for key, one in kept.policy_set.policies.items() if caller.may_touch(key)]
        search = _search(asked)
        if not asked:
            return self.draw(request, "Policies", search, _list(policies, kept, page, ""))
        by_name = [one for one in policies if asked.lower() in one.name.lower()]
        if "." not in asked and ":" not in asked:
            return self.draw(request, "Policies", search, _by_name(by_name, kept, page, asked))

        async def make() -> Answer:
            found = await self.desk.changes.aside(lambda: self._about(asked, policies, kept))
            return self.draw(request, "Policies", search, found, bool(by_name) and _by_name(by_name, kept, page, asked))

        return self.later(make)

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """One of them by its name."""
        if not path or request.postpath:
            return self.nothing()
        return PolicyPage(self.console, path.decode("utf-8", "replace"))

    def _about(self, asked: str, policies: Sequence[Policy], kept: Kept) -> list[h.Node]:
        """Say what there is about a URL, and what may be done by the pages of its origin. It takes long."""
        active = self.console.decisions.compiled.of(kept.policy_set)
        url = asked if "://" in asked else f"{_DEFAULT}{asked}"
        origin = origin_in(url)
        shown = {one.name for one in policies}
        # Behind an origin alone, nobody asks which policy decides about its own URLs.
        parts: list[h.Node] = [] if origin == url.rstrip("/").lower() else [_by_url(url, active, shown)]
        if origin is not None:
            parts.append(_by_origin(origin, list(everywhere(active, policies, origin)), kept.policy_set))
        return parts


def origin_in(url: str) -> str | None:
    """Give the origin that a URL begins with; None if there is none."""
    scheme, separator, rest = url.partition("://")
    text = f"{scheme}{separator}{rest.partition('/')[0]}".lower()
    return text if text.isascii() and read_origin(text) is not None else None


def everywhere(active: ActivePolicies, policies: Sequence[Policy], origin: str) -> Iterator[Reach]:
    """Find the rules that cover an origin.

    Args:
        active: The policies, compiled.
        policies: Those of them that are looked at.
        origin: The origin.
    """
    for policy in policies:
        decision = active.decide_cross_origin(Query("GET", policy=policy.name, origins=(origin,)))
        if decision.rule is not None:
            yield Reach(policy, decision.rule, policy.rules[decision.rule - 1].refuse)


def _search(asked: str) -> h.Element:
    return h.form(method="get", action=PATH, role="search")[
        h.label(for_="q")["Name, URL or origin"],
        h.input("#q", type="search", name="q", value=asked, maxlength=str(_LONGEST)),
        " ",
        h.button(type="submit")["Find"],
        h.p(".hint")[
            "A part of a name; a URL, to see which policy decides about it; an origin such as ",
            h.code["https://app.example.com"],
            ", to see what its pages may do, everywhere.",
        ],
    ]


def _by_name(found: Sequence[Policy], kept: Kept, page: int, asked: str) -> h.Element:
    if not found:
        return h.p["No policy has ", name(asked), " in its name."]
    return h.section[h.h2["By name"], _list(found, kept, page, asked)]


def _list(policies: Sequence[Policy], kept: Kept, page: int, asked: str) -> list[h.Node]:
    first = (page - 1) * _ON_A_PAGE
    some = policies[first : first + _ON_A_PAGE]
    lines = [
        (
            policy_link(one.name),
            plain(in_words((match.text for match in one.match), len(one.match))) if one.match else "-",
            count(len(one.rules)),
            count(sum(kept.policy_set.size(rule) for rule in one.rules)),
            _marks(one),
        )
        for one in some
    ]
    titles = ("Policy", "URLs", "Rules", "Origin patterns", "Also")
    return [
        h.p[f"{counted(len(policies), 'policy', 'policies')}."],
        bool(lines) and rows("Policies", titles, lines, right=(2, 3)),
        _pages(page, len(policies), asked),
    ]


def _marks(policy: Policy) -> list[h.Node]:
    marks: list[h.Node] = []
    if policy.guard is not None:
        marks.append(badge("plain", "guarded" if policy.guard.mode == "enforce" else "guard reports"))
    if policy.static:
        marks.append(badge("plain", "static"))
    if any(rule.refuse for rule in policy.rules):
        marks.append(badge("plain", "refuses"))
    return marks


def _pages(page: int, total: int, asked: str) -> h.Node:
    last = max(1, -(-total // _ON_A_PAGE))
    if last == 1:
        return None
    return h.nav(aria_label="Further policies")[
        h.p(".choices")[
            page > 1 and h.a(href=_page_path(page - 1, asked), rel="prev")["Before"],
            f"Page {count(page)} of {count(last)}",
            page < last and h.a(href=_page_path(page + 1, asked), rel="next")["Next"],
        ]
    ]


def _page_path(page: int, asked: str) -> str:
    return f"{PATH}?{urlencode({'q': asked, 'page': page} if asked else {'page': page})}"


def _by_url(url: str, active: ActivePolicies, shown: set[str]) -> h.Element:
    try:
        found = active.policy_for(url)
    except BadQuery as error:
        said: h.Node = plain(error.message, 500)
    else:
        said = (
            ["The policy ", policy_link(found), " decides."]
            if found in shown
            else "A policy that you may not see decides."
        )
    return h.section[h.h2["Requests to ", name(url)], h.p[said]]


def _by_origin(origin: str, found: Sequence[Reach], policy_set: PolicySet) -> h.Element:
    allowing = [one for one in found if not one.refuses]
    lines = [
        (
            policy_link(one.policy.name),
            badge("bad", "refused") if one.refuses else badge("good", "allowed"),
            count(one.rule),
            plain(rule_in_words(one.policy.rules[one.rule - 1], policy_set), 500),
        )
        for one in [*allowing, *(one for one in found if one.refuses)][:_ON_A_PAGE]
    ]
    more = len(found) - len(lines)
    return h.section[
        h.h2["What pages of ", name(origin), " may do"],
        h.p[
            f"Policies that allow something: {count(len(allowing))}. "
            f"Policies that refuse this origin by a rule: {count(len(found) - len(allowing))}. "
            "The others do not name it."
        ],
        bool(lines) and rows("By policy", ("Policy", "Access", "Rule", "In words"), lines, right=(2,)),
        more > 0 and h.p[f"{count(more)} more are not shown."],
    ]
