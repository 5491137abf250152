"""What URLs find is compared over sets of several policies, with all that a host matters to.

Names that matches bind, guards, a page's own origin, and paths that servers read in several ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.algebra import Comparison, compare
from cors_service.decision import ActivePolicies, Circumstances, Query
from cors_service.policy import PolicySet
from tests.algebra.edits import read
from tests.algebra.judge import Judge, answer_of, differences, name_of
from tests.examples import examples

Document = dict[str, Any]

_HOSTS = (
    "a.s", "b.s", "s", "*.s", "<t>.s", "a.s:1", "<t>.s:1", "*", "<host>", "*.b.s", "<t>.b.s", "a.s:443", "q9q.s",
    "*.s:2",
)  # fmt: skip
_PATHS = ("/", "/v/", "/v/w/", "/*/w/", "/v/*/", "/*.js", "/v/*.js", "/u/", "/v/*/w/", "/*.min.js")
_ORIGINS = (
    "https://a.x", "https://b.x", "https://<t>.x", "https://<host>", "http://<host>:*", "https://*.x", "https://a.s",
    "https://a.s:1", "https://b.s", "*", "https://<t>.y", "https://a.<t>.x", "https://<t>.x:1-2", "https://a*.x",
    "https://<host>.x", "https://q9q.s", "https://*.s", r"re:https://[ab]\.[sx](:1)?", "http://a.s",
)  # fmt: skip
_GUARDS: tuple[Document | None, ...] = (
    *(None,) * 6,
    {"hosts": ["a.s"]},
    {"hosts": ["*.s"]},
    {"hosts": ["b.s", "a.s:*"], "without_origin": "refuse"},
    {"hosts": ["*.s", "s"], "requests": "websocket"},
    {"hosts": ["*.s"], "requests": ["state-changing"]},
    {"hosts": ["a.s:1"], "mode": "report"},
    {},
)  # fmt: skip
_GRANTS: dict[str, tuple[Any, ...]] = {
    "methods": (["GET"], ["PUT"], ["*"]),
    "request_headers": (["x-a"], ["*"], ["x-*"]),
    "credentials": (True,),
    "timing": (True,),
    "resource_policy": ("same-origin", "cross-origin"),
}


# What is told apart by paths alone: hosts, and rules of which all policies have the same.
_FEW_HOSTS: Final = ("s", "s", "s", "*")


def _match(random: Random, hosts: Sequence[str] = _HOSTS) -> str:
    return random.choice(hosts) + (random.choice(_PATHS) if random.randrange(3) else "/")


def _rule(random: Random) -> Document:
    rule: Document = {"origins": list(dict.fromkeys(random.choices(_ORIGINS, k=random.choice((1, 2)))))}
    if random.randrange(6) == 0:
        return rule | {"refuse": True}
    rule["dangerously_allow"] = ["insecure-origins", "public-suffix-subdomains", "any-host"]
    return rule | {key: random.choice(some) for key, some in _GRANTS.items() if random.randrange(4) == 0}


def _policy(random: Random) -> Document:
    policy: Document = {
        "match": list(dict.fromkeys(_match(random) for _ in range(random.choice((1, 1, 2, 3))))),
        "rules": [_rule(random) for _ in range(random.choice((1, 1, 2)))],
    }
    guard = random.choice(_GUARDS)
    return policy if guard is None else policy | {"guard": guard}


def _edit(random: Random, policies: dict[str, Document]) -> None:
    """Change something about matches, or about a policy, or put another in its place."""
    kind, name = random.randrange(8), random.choice(list(policies))
    matches = policies[name]["match"]
    other = policies[random.choice(list(policies))]
    if kind == 0 and len(policies) > 1:
        del policies[name]
    elif kind == 1:
        policies[random.choice("pqr")] = _policy(random)
    elif kind in {2, 3}:
        matches.append(_match(random))
    elif kind == 4 and len(matches) > 1:
        matches.remove(random.choice(matches))
    elif kind == 5:
        matches[random.randrange(len(matches))] = _match(random)
    elif kind == 6 and other["match"] is not matches:
        # The rest of a policy whose matches are all gone decides about no URL.
        other["match"].append(matches.pop(random.randrange(len(matches))))
        if not matches:
            del policies[name]
    else:
        policies[name]["rules"] = deepcopy(other["rules"])


def _by_path(random: Random) -> Document:
    return {"match": list(dict.fromkeys(_match(random, _FEW_HOSTS) for _ in range(random.choice((1, 2, 3)))))}


def _edit_by_path(random: Random, policies: dict[str, Document]) -> None:
    """Move a match, or the end of one, to another policy."""
    matches = policies[random.choice(list(policies))]["match"]
    if random.randrange(3) == 0:
        matches.append(_match(random, _FEW_HOSTS))
    else:
        policies[random.choice("pqr")] = {"match": [matches.pop(random.randrange(len(matches)))]}
    for name in [name for name, policy in policies.items() if not policy["match"]]:
        del policies[name]


def edits_by_path(random: Random) -> tuple[PolicySet, PolicySet]:
    """Draw two policy sets that differ in paths; all policies grant the same."""
    rules = _policy(random)["rules"]
    while True:
        before = {name: _by_path(random) for name in "pqr"[: random.choice((1, 2, 3))]}
        after = deepcopy(before)
        for _ in range(random.choice((1, 1, 2))):
            _edit_by_path(random, after)
        policies = ({name: {**each, "rules": rules} for name, each in some.items()} for some in (before, after))
        sets = [read({"version": 1, "policies": each}) for each in policies]
        if sets[0] is not None and sets[1] is not None:
            return sets[0], sets[1]
        rules = _policy(random)["rules"]


def edits(random: Random) -> tuple[PolicySet, PolicySet]:
    """Draw two policy sets that are valid, the second an edit of the first."""
    while True:
        before = {name: _policy(random) for name in "pqr"[: random.choice((1, 2, 2, 3))]}
        after = deepcopy(before)
        for _ in range(random.choice((1, 1, 2))):
            _edit(random, after)
        sets = [read({"version": 1, "policies": each}) for each in (before, after)]
        if sets[0] is not None and sets[1] is not None:
            return sets[0], sets[1]


_SITES = (
    "a.s", "b.s", "s", "c.s", "d.c.s", "a.b.s", "z", "a.s:1", "c.s:1", "c.s:2", "z:1", "a.s:443", "b.s:80", "q9q.s",
    "x", "a.a.s", "10.0.0.1",
)  # fmt: skip
_URL_PATHS = (
    "/", "/v", "/v/", "/v/w", "/u/w", "/v/u", "/k.js", "/v/k.js", "/v/w/k.js", "/v%2Fw", "/v/../u", "/u/..;/v/w",
    "/v;/w", "/v/./w", "/v//w", "/v/%2e%2e/w/w", "/v%5Cw", "/u;.js", "/k.js;", "/v%3F/w", "/u/%2E/w", "/k.js/",
    "/v/k.js%3Fw", "/z/../v/z/w", "/z/w", "/v/z/w", "/k.min.js", "/v/w/../k.js", "/u/v", "/v;x.js/w/k.js", "/u%252Fw",
    "/v/..", "/v/w/../..", "/v/.", "/..;/v/w",
)  # fmt: skip
_PAGES = (
    "https://a.x", "https://b.x", "https://c.x", "https://a.s", "https://b.s", "https://a.s:1", "http://c.s:9", "null",
    "https://c.y", "https://a.y", "https://z", "http://z:5", "http://a.s", "https://a.a.x", "https://a.c.x",
    "https://a.x:1", "https://c.x:2", "https://q9q.s", "https://c.s", "https://a.s.x", "https://b.x:1", "http://a.s:9",
)  # fmt: skip
_KNOWN: tuple[Circumstances | None, ...] = (
    *(None,) * 4,
    Circumstances(hosts=("a.s",)),
    Circumstances(hosts=("b.s",)),
    Circumstances(hosts=("c.s",), upgrades=("websocket",)),
    Circumstances(hosts=("a.s:1",), sites=("cross-site",)),
    Circumstances(sites=("same-origin",), upgrades=("websocket",)),
)


_PIECES = (
    "v", "w", "u", "z", "v", "w", "k.js", "k.min.js", "..", ".", "", "%2e%2e", "v;", "u;x.js", "..;", ";", "v%3F",
    "k.js%3Fu", "%2E", "v%2Fw", "w%5Cv", "v%2F..", "%252F", "k.js;", "u%23", "v%00"
)  # fmt: skip


def _path(random: Random) -> str:
    if random.randrange(2):
        return random.choice(_URL_PATHS)
    pieces = random.choices(_PIECES, k=random.choice((1, 2, 3, 3, 4, 5)))
    return "/" + "".join(piece + random.choice(("/", "/", "/", "%2F")) for piece in pieces[:-1]) + pieces[-1]


def queries(random: Random, count: int, sites: Sequence[str] = _SITES) -> Iterator[Query]:
    """Draw queries by URL over the alphabet."""
    for _ in range(count):
        site = f"{random.choice(('https', 'https', 'http'))}://{random.choice(sites)}"
        # A page of the site itself, as often as not one of another origin.
        origins = random.choice(((site.removesuffix(":443"),), (), *((page,) for page in random.choices(_PAGES, k=6))))
        query = Query("GET", url=site + _path(random), origins=origins)
        kind = random.randrange(4) if origins else 3
        if kind < 2:
            asked = ("x-a",) if kind else ()
            yield Query(
                "OPTIONS", url=query.url, origins=origins, request_methods=(random.choice(("GET", "PUT")),),
                request_headers=asked, circumstances=random.choice(_KNOWN),
            )  # fmt: skip
        else:
            method = random.choice(("GET", "PUT", "POST"))
            yield Query(method, url=query.url, origins=origins, circumstances=random.choice(_KNOWN))


def judge(seed: int, *, count: int = 1_500) -> None:
    """Judge the comparison of some policies and an edit of them."""
    random = Random(seed)
    if seed % 3:
        before, after = edits(random)
        judge_sets(before, after, queries(random, count), f"seed {seed}")
    else:
        before, after = edits_by_path(random)
        judge_sets(before, after, queries(random, count, ("s", "z")), f"seed {seed}")


def judge_sets(before: PolicySet, after: PolicySet, asked: Iterator[Query], what: str) -> None:
    """Judge the comparison of two sets by queries: which policies turn a query wider or narrower is reported."""
    comparison = compare(before, after)
    shown = "\n".join([what, *(str({n: p.as_dict() for n, p in each.policies.items()}) for each in (before, after))])
    invented = Judge(before, after, comparison).invented()
    assert invented == [], f"invented: {invented[:1]}\n{shown}"
    assert comparison.unknown == (), shown
    old, new = ActivePolicies(before), ActivePolicies(after)
    reported = _reported(comparison)
    for query in asked:
        answers = answer_of(old, query), answer_of(new, query)
        for seen in differences(query, *answers):
            assert reported, f"{query}\n{seen}\n{answers}\n{shown}"
            key = (seen.direction, *map(name_of, answers))
            assert seen.direction == "other" or key in reported, f"{query}\n{seen}\n{answers}\n{reported}\n{shown}"


def _reported(comparison: Comparison) -> set[tuple[str, str, str]]:
    return {(one.direction, name_of(one.before), name_of(one.after)) for one in comparison.differences}


@examples(500, same=True)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_many_policies(seed: int) -> None:
    """No URL at which something is let through, or kept back, is missed, and none is invented."""
    judge(seed)


def _fixed(*, at: list[str]) -> Document:
    return {"match": at, "origins": ["https://acme.app.example.com"]}


_TENANTS: Document = {"match": ["<t>.api.example.com/"], "origins": ["https://<t>.app.example.com"]}
_CLOSED: Document = {"match": ["a.s.example/"], "rules": [{"origins": ["https://x.example"], "refuse": True}]}
_AT_PORT: Document = {
    "p": {"match": ["a.s:1/"], "origins": ["https://a.x"]},
    "q": {"match": ["<t>.s:1/"], "origins": ["https://a.s:1"]},
}
_REFUSING: Document = {"match": ["b.s/"], "rules": [{"origins": ["https://x"], "refuse": True}]}
_SAME: Document = {"origins": ["https://a.x"]}
_BEHIND: Document = {
    "rules": [{"origins": ["https://<t>.x"], "refuse": True}, {"origins": ["https://a.x"]}],
    "match": ["<t>.s/"],
}


def _paths(text: str) -> Document:
    """Policies that grant the same, by their matches."""
    policies = (each.partition("=") for each in text.split())
    return {name: {**_SAME, "match": matches.split(",")} for name, _, matches in policies}


def _get(url: str, origin: str = "https://a.x") -> Query:
    return Query("GET", url=url, origins=(origin,))


BY_HAND: dict[str, tuple[Document, Document, Query]] = {
    "a path at which a name is bound": (
        {"tenants": {**_TENANTS, "match": ["<t>.api.example.com/a/"]}},
        {"tenants": {**_TENANTS, "match": ["<t>.api.example.com/a/", "<t>.api.example.com/b/"]}},
        Query("GET", url="https://acme.api.example.com/b/x", origins=("https://acme.app.example.com",)),
    ),
    "a host that is left to a bound name": (
        {
            "fixed": _fixed(at=["acme.api.example.com/", "keep.example.com/", "zeta.api.example.com/"]),
            "tenants": _TENANTS,
        },
        {"fixed": _fixed(at=["keep.example.com/"]), "tenants": _TENANTS},
        Query("GET", url="https://zeta.api.example.com/x", origins=("https://zeta.app.example.com",)),
    ),
    "a page of the other scheme of a host": (
        {"all": {"match": ["*.s.example/"], "origins": ["https://a.s.example"]}, "closed": _CLOSED},
        {"all": {"match": ["*.s.example/"], "origins": ["https://a.s.example"]}},
        Query("GET", url="http://a.s.example/", origins=("https://a.s.example",)),
    ),
    "a page of the other scheme of a port": (
        _AT_PORT,
        {"q": _AT_PORT["q"]},
        Query("GET", url="http://a.s:1/", origins=("https://a.s:1",)),
    ),
    "a page of the host itself": (
        {"p": _REFUSING},
        {"p": {**_REFUSING, "match": ["a.s/", "b.s/"]}},
        Query("GET", url="https://a.s/", origins=("https://a.s",)),
    ),
    "a path with several readings": (
        {"p": {"match": ["s/"], "origins": ["https://a.x"]}, "q": {"match": ["s/v/w/"], "origins": ["https://a.x"]}},
        {"p": {"match": ["s/"], "origins": ["https://a.x"]}},
        Query("GET", url="https://s/z/../v/w", origins=("https://a.x",)),
    ),
    "a path that leaves out a dot": (
        _paths("q=s/w/u/ z=s/w/u/*/ p=s/*/w/u/"), _paths("q=s/w/u/,s/*/w/u/ z=s/w/u/*/"), _get("https://s/./w/u"),
    ),
    "a path that ends early": (
        _paths("q=s/w/ z=s/w/*/ p=s/*/u/"), _paths("q=s/w/,s/*/u/ z=s/w/*/"), _get("https://s/w%3F/u"),
    ),
    "a path with parameters": (
        _paths("q=s/w/u/ z=s/w/u/*/ p=s/*/u/"), _paths("q=s/w/u/,s/*/u/ z=s/w/u/*/"), _get("https://s/w;/u"),
    ),
    "a path with an encoded slash": (
        _paths("q=s/*/*/u/ p=s/*/u/"), _paths("q=s/*/*/u/,s/*/u/"), _get("https://s/w%2Fv/u"),
    ),
    "a name that only other matches have": (
        {"p": {**_REFUSING, "match": ["s/v/*/"]}, **_paths("q=s/*/w/")}, _paths("q=s/*/w/"), _get("https://s/v/w"),
    ),
    "a match of the same policy that leaves an ending behind": (
        {**_paths("p=*/"), "q": {**_REFUSING, "match": ["s/v/*.js"]}},
        {**_paths("p=*/,*/v/w/"), "q": {**_REFUSING, "match": ["s/v/*.js"]}},
        _get("https://s/v/w/k.js"),
    ),
    "pages at the only port": (
        {"p": {"match": ["xx.s:443/"], "origins": ["https://x"]}, "q": {"match": ["xx.s/"], "origins": ["https://?.s"]}},
        {"q": {"match": ["xx.s/"], "origins": ["https://?.s"]}},
        _get("https://xx.s/", "https://z.s"),
    ),
    "a page that is the only one left behind": (
        {"q": _BEHIND}, {"p": {**_SAME, "match": ["<t>.s/"]}}, _get("https://a.s/"),
    ),
    "a page of the same host by https": (
        {"p": {**_REFUSING, "match": ["a.s/"]}, "q": {"match": ["<host>/"], "origins": ["https://<host>"]}},
        {"q": {"match": ["<host>/"], "origins": ["https://<host>"]}},
        _get("http://a.s/", "https://a.s"),
    ),
    "a host that guards alone name": (
        {"p": {**_SAME, "match": ["*/"], "guard": {"hosts": ["*.s"], "without_origin": "refuse"}}},
        {"q": {**_SAME, "match": ["*/"], "guard": {"hosts": ["*.s"]}}},
        Query("GET", url="https://c.s/", circumstances=Circumstances(hosts=("c.s",))),
    ),
    "a header that a guard looks at where it passes over methods": (
        {"p": {**_SAME, "match": ["s/"], "methods": ["*"], "guard": {"requests": "websocket"}}},
        {"p": {**_SAME, "match": ["s/"], "guard": {"requests": "websocket"}}},
        Query(
            "OPTIONS", url="https://s/", origins=("https://a.x",), request_methods=("PUT",), request_headers=("x-a",),
            circumstances=Circumstances(upgrades=("websocket",)),
        ),
    ),
}  # fmt: skip


def judge_case(name: str) -> None:
    """Judge a change by hand, and the same backwards."""
    before, after, query = BY_HAND[name]
    old, new = (read({"version": 1, "policies": each}) for each in (before, after))
    assert old is not None
    assert new is not None
    judge_sets(old, new, iter([query]), name)
    judge_sets(new, old, iter([query]), name)
    assert any(one.direction == "wider" for one in compare(old, new).differences)


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    """What a URL newly lets through is reported as wider, and as narrower if the change is taken back."""
    judge_case(name)
