"""Tests of revisions: the same where the meaning is the same, and no other where it is not."""

import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
import tomli_w
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from msgspec import structs

from cors_service.policy import PolicySet, Source, read_document, read_sources, revision, write_document
from cors_service.policy.model import Policy
from cors_service.policy.revision import Digests
from cors_service.policy.schema import SCHEMA
from tests.policy.documents import json_text, policy, rule, toml

SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "defaults written": (
        rule("*"),
        rule("*", methods=["GET", "HEAD", "POST"], credentials=False, timing=False, match=[], preflight_status=204),
    ),
    "flat, or with one rule": (rule("https://a.example"), policy(rules=[{"origins": ["https://a.example"]}])),
    "HEAD implied": (rule("*", methods=["GET"]), rule("*", methods=["GET", "HEAD"])),
    "methods in lower case": (rule("*", methods=["put"]), rule("*", methods=["PUT"])),
    "header names in upper case": (
        rule("*", request_headers=["X-A"], expose_headers=["X-B"]),
        rule("*", request_headers=["x-a"], expose_headers=["x-b"]),
    ),
    "numbers with a point": (
        rule("*", max_age=600.0, preflight_status=200.0),
        rule("*", max_age=600, preflight_status=200),
    ),
    "a flag on the policy, or on the rule": (
        policy(rules=[{"origins": ["null"]}], dangerously_allow=["null-origin"]),
        policy(rules=[{"origins": ["null"], "dangerously_allow": ["null-origin"]}]),
    ),
    "static written as the default": (rule("https://a.example"), rule("https://a.example", static=False)),
    "refuse written as the default": (rule("https://a.example"), rule("https://a.example", refuse=False)),
    "a flag on the policy of a rule that refuses": (
        policy(rules=[{"origins": ["null"], "refuse": True}], dangerously_allow=["null-origin"]),
        policy(rules=[{"origins": ["null"], "refuse": True}]),
    ),
    "flags in another order": (
        rule("null", dangerously_allow=["null-origin", "insecure-origins"]),
        rule("null", dangerously_allow=["insecure-origins", "null-origin", "null-origin"]),
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_same_revision(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Documents that mean the same are equal, and have the same revision."""
    first, second = read_document(one), read_document(other)
    assert first == second
    assert revision(first) == revision(second)


def changed(**keys: Any) -> dict[str, Any]:
    """A document with a rule that is changed in this way."""
    return rule("https://a.example", "https://b.example", **keys)


OTHERS = {
    "as it is": changed(),
    "an origin more": rule("https://a.example", "https://b.example", "https://c.example"),
    "origins in another order": rule("https://b.example", "https://a.example"),
    "methods": changed(methods=["GET"]),
    "methods in another order": changed(methods=["POST", "GET"]),
    "request headers": changed(request_headers=["x-a"]),
    "exposed headers": changed(expose_headers=["x-a"]),
    "credentials": changed(credentials=True),
    "max_age": changed(max_age=0),
    "another max_age": changed(max_age=1),
    "timing": changed(timing=True),
    "refuse": changed(refuse=True),
    "one origin": rule("https://a.example"),
    "static": rule("https://a.example", static=True),
    "resource policy": changed(resource_policy="same-site"),
    "preflight status": changed(preflight_status=200),
    "match": changed(match=["a/"]),
    "a flag": changed(dangerously_allow=["null-origin"]),
    "another rule": policy(rules=[{"origins": ["https://a.example", "https://b.example"]}, {"origins": ["*"]}]),
    "another name": {"version": 1, "policies": {"b": {"origins": ["https://a.example", "https://b.example"]}}},
    "a header set": {**changed(request_headers=["@s"]), "header_sets": {"s": ["x-a"]}},
    "another header set": {**changed(request_headers=["@s"]), "header_sets": {"s": ["x-b"]}},
    "a set": {**rule("@s"), "origin_sets": {"s": ["https://a.example", "https://b.example"]}},
}


def test_other_revision() -> None:
    """Whatever changes a decision changes the revision."""
    revisions = {name: revision(read_document(document)) for name, document in OTHERS.items()}
    assert len(OTHERS) == len(set(revisions.values()))


def test_form_of_a_revision() -> None:
    """A revision is `sha256:` and the hash of the written document, in which the hash of each part stands for the part;
    what is hashed is compact JSON with sorted keys.
    """
    policy_set = read_document({**rule("@s", max_age=5), "origin_sets": {"s": ["https://a.example"]}})
    part = '["https://a.example"]'
    policy = (
        '{"match":[],"preflight_status":204,"rules":[{"credentials":false,"dangerously_allow":[],"expose_headers":[],'
        '"max_age":5,"methods":["GET","HEAD","POST"],"origins":["@s"],"request_headers":[],"timing":false}]}'
    )
    written = f'{{"origin_sets":{{"s":{part}}},"policies":{{"a":{policy}}},"version":1}}'
    assert json.loads(written) == write_document(policy_set)
    part, policy = (hashlib.sha256(text.encode()).hexdigest() for text in (part, policy))
    text = f'{{"origin_sets":{{"s":"{part}"}},"policies":{{"a":"{policy}"}},"version":1}}'
    assert revision(policy_set) == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_form_of_a_revision_with_header_sets() -> None:
    """Header sets are hashed as origin sets are; where there are none, there is no word of them."""
    policy_set = read_document({**rule("*", request_headers=["@h"]), "header_sets": {"h": ["x-a"]}})
    policies = {name: hashed(policy.as_dict()) for name, policy in policy_set.policies.items()}
    document = {"header_sets": {"h": hashed(["x-a"])}, "origin_sets": {}, "policies": policies, "version": 1}
    assert revision(policy_set) == f"sha256:{hashed(document)}"


def test_revision_in_the_clear() -> None:
    """The revision of a set that uses characters beyond ASCII in an expression can be told, too."""
    assert revision(read_document(rule("re:https://[aé]"))) != revision(read_document(rule("re:https://[ae]")))


POLICIES = read_document(
    {"version": 1, "policies": {f"p{number}": {"origins": [f"https://a{number}.example"]} for number in range(12)}}
).policies
SORTED = sorted(POLICIES)
NAMES_OF_MANY = st.sampled_from(SORTED)


# A page becomes several while one behind it changes, too.
@example({*SORTED[:3], *SORTED[8:11]}, [{*SORTED[3:8], SORTED[11]}])
@given(st.sets(NAMES_OF_MANY, min_size=1), st.lists(st.sets(NAMES_OF_MANY, min_size=1, max_size=4), max_size=6))
def test_a_revision_follows_changes(first: set[str], changes: list[set[str]]) -> None:
    """However policies come, go and change, on however many pages, the revision is that of what there is then."""
    digests = Digests()
    there = {name: POLICIES[name] for name in first}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module(Digests.__module__), "_PAGE", 2)
        assert digests.revision(PolicySet.of(there.values(), {}, {})) == named(there)
        for names in changes:
            for name in names:
                # It comes, changes, or goes.
                known = there.pop(name, None)
                if known is None:
                    there[name] = POLICIES[name]
                elif known is POLICIES[name]:
                    there[name] = structs.replace(known, preflight_status=200)
            assert digests.changed(names, there) == named(there)


def named(policies: Mapping[str, Policy]) -> str:
    """The revision of policies, by its definition."""
    parts = {name: hashed(policy.as_dict()) for name, policy in policies.items()}
    return f"sha256:{hashed({'origin_sets': {}, 'policies': parts, 'version': 1})}"


def hashed(value: object) -> str:
    """The hash of compact JSON with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


NAMES = st.text(st.sampled_from("abAB01._-"), min_size=1, max_size=4).map("x".__add__)
TEMPLATES = [
    "https://{}.example",
    "http://{}.example:8080",
    "https://*.{}.example",
    "https://?.{}.example:8000-8999",
    "app://{}.bundle:*",
    "https://a-*.{}.example",
    "app-{}://*",
    "{{http,https}}://{{a,b,}}{}.example:{{1,2-3}}",
    "re:https://pr-[0-9]+\\.{}\\.example",
]
HEADERS = st.lists(st.sampled_from(["x-a", "X-B", "content-type", "etag"]), max_size=3)
GRANTS = st.fixed_dictionaries(
    {},
    optional={
        "methods": st.lists(st.sampled_from(["GET", "get", "HEAD", "PATCH", "patch", "*", "X"]), min_size=1),
        "request_headers": HEADERS | st.just(["*", "authorization"]) | st.just(["x-*"]),
        "expose_headers": HEADERS,
        "credentials": st.booleans(),
        "max_age": st.integers(0, 86400) | st.just(5.0),
        "timing": st.booleans(),
        "resource_policy": st.sampled_from(["same-origin", "same-site", "cross-origin"]),
    },
)
FLAGS = ["any-host", "insecure-origins", "null-origin", "public-suffix-subdomains"]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a valid document: each rule has origins of its own, so that none is unreachable."""
    policies: dict[str, Any] = {}
    sets: dict[str, list[str]] = {}
    headers: dict[str, list[str]] = {}
    for number, name in enumerate(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))):
        rules = []
        for place in range(draw(st.integers(1, 3))):
            host = f"h{number}-{place}"
            origins = [
                template.format(host)
                for template in draw(st.lists(st.sampled_from(TEMPLATES), min_size=1, unique=True))
            ]
            if draw(st.booleans()):
                sets[f"s{host}"], origins = origins, [f"@s{host}", f"https://{host}"]
            grant: dict[str, Any] = {"dangerously_allow": FLAGS, **draw(GRANTS)}
            if draw(st.integers(0, 4)) == 4:
                grant = {"refuse": True}
            if grant.get("request_headers") and draw(st.booleans()):
                headers[f"s{host}"], grant["request_headers"] = grant["request_headers"], [f"@s{host}", "x-z"]
            rules.append({"origins": origins, **grant})
        body: dict[str, Any] = dict(rules[0]) if len(rules) == 1 and draw(st.booleans()) else {"rules": rules}
        if draw(st.booleans()):
            body["match"] = [f"a.example/p{number}/"]
        if draw(st.booleans()):
            body["preflight_status"] = draw(st.sampled_from([200, 204]))
        policies[name] = body
    return {"version": 1, "policies": policies, "origin_sets": sets, "header_sets": headers}


@given(documents())
def test_round_trip(document: dict[str, Any]) -> None:
    """What is written of a policy set is valid, and reading it gives an equal set of the same revision."""
    policy_set = read_document(document)
    written = write_document(policy_set)
    assert list(Draft202012Validator(SCHEMA).iter_errors(written)) == []
    again = read_document(json.loads(json.dumps(written)))
    assert again == policy_set
    assert write_document(again) == written
    assert revision(again) == revision(policy_set)


@given(documents(), st.booleans())
def test_formats(document: dict[str, Any], ascii_only: bool) -> None:
    """The same structure as TOML, as JSON and as a value gives equal sets of the same revision."""
    texts = [toml(tomli_w.dumps(document)), json_text(json.dumps(document, ensure_ascii=ascii_only))]
    sets = [read_document(document), *(read_sources([text]) for text in texts)]
    assert [sets[0]] * 3 == sets
    assert len(set(map(revision, sets))) == 1


@given(documents(), st.randoms(use_true_random=False))
def test_order_of_everything(document: dict[str, Any], choices: Any) -> None:
    """The revision does not depend on how policies and sets are spread over documents, nor on any order."""
    parts: list[tuple[str, tuple[str, Any]]] = [("policies", item) for item in document["policies"].items()]
    parts += [(table, item) for table in ("origin_sets", "header_sets") for item in document[table].items()]
    choices.shuffle(parts)
    pieces: list[dict[str, Any]] = [{"version": 1} for _ in range(3)]
    for key, (name, body) in parts:
        keys = list(body) if isinstance(body, dict) else []
        choices.shuffle(keys)
        choices.choice(pieces).setdefault(key, {})[name] = {each: body[each] for each in keys} or body
    sources = [Source(None, "json", json.dumps(piece)) for piece in pieces]
    assert revision(read_sources(sources)) == revision(read_document(document))
