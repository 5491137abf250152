"""Tests of documents in and out: what is read, and what is written."""

import copy
import json
from contextlib import suppress
from types import MappingProxyType

import pytest
from jsonschema_rs import Draft202012Validator

from cors_service.grammar.match import Match
from cors_service.grammar.pattern import ANY, SetName
from cors_service.grammar.wildcard import Wildcard
from cors_service.policy import PolicySet, read_document, read_sources, write_document
from cors_service.policy.model import Guard, Policy, Rule
from cors_service.policy.schema import SCHEMA
from tests.policy.documents import codes_of, json_text, policy, rule, toml

CATALOGUE = """\
version = 1

[origin_sets]
partners = ["https://partner.example", "https://*.partner.example"]

[policies.catalogue]
match = ["api.example.com/catalogue/"]

[[policies.catalogue.rules]]
origins = ["@partners"]
methods = ["GET", "PUT", "DELETE"]
request_headers = ["content-type", "authorization", "x-catalogue-*"]
expose_headers = ["x-request-id"]
credentials = true
max_age = 600

[[policies.catalogue.rules]]
origins = ["*"]

[policies.status]
origins = ["https://status.example.com"]
timing = true
resource_policy = "cross-origin"
preflight_status = 200
"""
PARTNERS = Rule(
    origins=(SetName("partners"),),
    methods=("GET", "HEAD", "PUT", "DELETE"),
    request_headers=("content-type", "authorization", "x-catalogue-*"),
    expose_headers=("x-request-id",),
    credentials=True,
    max_age=600,
)
STATUS = Rule(origins=("https://status.example.com",), timing=True, resource_policy="cross-origin")
CATALOGUE_SET = PolicySet(
    policies={
        "catalogue": Policy(
            name="catalogue",
            rules=(PARTNERS, Rule(origins=(ANY,))),
            match=(Match("api.example.com/catalogue/"),),
        ),
        "status": Policy(name="status", rules=(STATUS,), preflight_status=200),
    },
    origin_sets={"partners": ("https://partner.example", Wildcard("https", "*", "partner.example", ""))},
)
WRITTEN = {
    "version": 1,
    "origin_sets": {"partners": ["https://partner.example", "https://*.partner.example"]},
    "policies": {
        "catalogue": {
            "match": ["api.example.com/catalogue/"],
            "preflight_status": 204,
            "rules": [
                {
                    "origins": ["@partners"],
                    "methods": ["GET", "HEAD", "PUT", "DELETE"],
                    "request_headers": ["content-type", "authorization", "x-catalogue-*"],
                    "expose_headers": ["x-request-id"],
                    "credentials": True,
                    "max_age": 600,
                    "timing": False,
                    "dangerously_allow": [],
                },
                {
                    "origins": ["*"],
                    "methods": ["GET", "HEAD", "POST"],
                    "request_headers": [],
                    "expose_headers": [],
                    "credentials": False,
                    "timing": False,
                    "dangerously_allow": [],
                },
            ],
        },
        "status": {
            "match": [],
            "preflight_status": 200,
            "rules": [
                {
                    "origins": ["https://status.example.com"],
                    "methods": ["GET", "HEAD", "POST"],
                    "request_headers": [],
                    "expose_headers": [],
                    "credentials": False,
                    "timing": True,
                    "resource_policy": "cross-origin",
                    "dangerously_allow": [],
                }
            ],
        },
    },
}


def read(*texts: str) -> PolicySet:
    """Read TOML documents."""
    return read_sources([toml(text) for text in texts])


def test_read() -> None:
    """A document becomes the values that it describes."""
    assert read(CATALOGUE) == CATALOGUE_SET


def test_write() -> None:
    """A policy set is written with every default spelled out, but for headers that are not sent."""
    assert write_document(read(CATALOGUE)) == WRITTEN


def test_write_some() -> None:
    """Some policies are written with the origin sets that they use, and no others."""
    policy_set = read(CATALOGUE)
    status = write_document(policy_set, ["status"])
    expected = {"version": 1, "origin_sets": {}, "policies": {"status": WRITTEN["policies"]["status"]}}  # type: ignore[index]
    assert status == expected
    assert write_document(policy_set, iter(["catalogue"]))["origin_sets"] == WRITTEN["origin_sets"]
    assert read_document(status).policies["status"] == policy_set.policies["status"]


def test_written_is_a_copy() -> None:
    """What is done to a document that was written does nothing to the policy set."""
    policy_set = read(CATALOGUE)
    written = write_document(policy_set)
    written["origin_sets"]["partners"].append("*")
    written["policies"]["status"]["rules"].clear()
    assert write_document(policy_set) == WRITTEN


def test_read_does_not_change() -> None:
    """What is read is not changed, whether it is valid or not."""
    for document in (copy.deepcopy(WRITTEN), policy(origins=[float("nan"), "x"], foo=b"")):
        before = repr(document)
        with suppress(ExceptionGroup):
            read_document(document)
        assert before == repr(document)


def test_order_of_names() -> None:
    """Policies and origin sets are in the order of their names, whatever the order of the document."""
    policies = {name: {"origins": [f"@{name}"]} for name in "cab"}
    policy_set = read_document(
        {"version": 1, "policies": policies, "origin_sets": {name: [f"https://{name}"] for name in "bca"}}
    )
    assert list(policy_set.policies) == ["a", "b", "c"]
    assert list(policy_set.origin_sets) == ["a", "b", "c"]


def test_names() -> None:
    """Names are made of letters, digits, dots, hyphens and underscores, up to 128 characters."""
    names = ["a", "A.b-c_d", "_x", "1", "a" * 128]
    policy_set = read_document(
        {
            "version": 1,
            "policies": {name: {"origins": [f"@{name}"]} for name in names},
            "origin_sets": {name: ["https://a.example"] for name in names},
        }
    )
    assert sorted(names) == list(policy_set.policies)
    assert sorted(names) == list(policy_set.origin_sets)


@pytest.mark.parametrize("name", ["", "a b", "é", ".a", "-a", "a/b", "a\n", "@a", "a" * 129])
def test_malformed_names(name: str) -> None:
    """Other names are refused, of policies and of origin sets alike."""
    body = {"origins": ["https://a.example"]}
    text = json.dumps({"version": 1, "policies": {"a": body, name: {"origins": ["*"]}}})
    assert codes_of(json_text(text)) == ["name-malformed"]
    text = json.dumps({"version": 1, "policies": {"a": body}, "origin_sets": {name: ["https://b.example"]}})
    assert codes_of(json_text(text)) == ["name-malformed"]


def test_schema_of_editors() -> None:
    """A document may name its schema, which means nothing."""
    assert read_document({"$schema": "policy.json", **rule("*")}) == read_document(rule("*"))


def test_schema_itself() -> None:
    """The schema is one, refuses what is no document, and knows each key of a rule."""
    Draft202012Validator(SCHEMA)
    keys = set(SCHEMA["$defs"]["rule"]["properties"])
    assert keys == set(Rule.__struct_fields__)
    own = {"match", "preflight_status", "static", "guard", "rules"}
    assert keys | own == set(SCHEMA["$defs"]["policy"]["properties"])
    assert set(SCHEMA["$defs"]["policy"]["properties"]["guard"]["properties"]) == set(Guard.__struct_fields__)


def test_several_documents() -> None:
    """A policy of one document may use the origin set of another, of either format."""
    first = toml('version = 1\n[policies.a]\norigins = ["@s"]')
    second = json_text('{"version": 1, "origin_sets": {"s": ["https://s.example"]}}')
    third = toml('version = 1\n[policies.b]\norigins = ["@s"]')
    policy_set = read_sources([first, second, third])
    assert list(policy_set.policies) == ["a", "b"]
    assert policy_set.origin_sets == {"s": ("https://s.example",)}


def test_null_is_no_document() -> None:
    """A JSON text that is nothing but `null` is no document, alone or beside others."""
    assert "wrong-type" in codes_of(json_text("null"))
    assert codes_of(json_text("null"), toml(CATALOGUE)) == ["wrong-type"]


def test_views_and_tuples() -> None:
    """A structure may be made of any mappings, and of tuples."""
    document = MappingProxyType(
        {"version": 1, "policies": MappingProxyType({"a": MappingProxyType({"origins": ("*",)})})}
    )
    assert read_document(document) == read_document(rule("*"))
