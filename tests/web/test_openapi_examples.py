"""Tests that the examples of the description are what the service takes and gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tomli_w
from msgspec import structs
from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

import cors_service
from cors_service.policy import InvalidPolicies, Source, read_sources
from cors_service.policy.change import Behind, Change
from cors_service.store import IPolicyStore, LivePolicies
from tests.web.description import (
    COMPONENTS,
    DESCRIPTION,
    check,
    example,
    fits,
    fits_closely,
    operations,
    resolved,
    response_of,
)
from tests.web.traversal import Caller, caller, tree_of

NINE = 1795251600.0  # 2026-11-21T09:00:00Z


POLICIES: dict[str, Any] = example("GET /v1/policies", "all")

SENT: list[tuple[str, str, Any]] = [
    (operation, name, sent["value"])
    for operation, told in operations()
    for name, sent in told.get("requestBody", {}).get("content", {}).get("application/json", {})
    .get("examples", {}).items()
]  # fmt: skip


@pytest.mark.parametrize(("operation", "name", "value"), SENT, ids=[f"{one[0]} {one[1]}" for one in SENT])
def test_bodies(operation: str, name: str, value: object) -> None:
    """The answer to each example of a body is the example of an answer that has the same name."""
    method, path = operation.split()
    schema = dict(operations())[operation]["requestBody"]["content"]["application/json"]["schema"]
    fits(schema, value)
    answer = caller(POLICIES).ask(method, path, json.dumps(value).encode("ascii")).json
    if "decision_id" in answer:  # which no other answer has
        answer["decision_id"] = "9c41f0e27ab35d8806e1b4f2"
    assert example(operation, name) == answer


def test_every_body_has_an_example_of_its_answer() -> None:
    """There are as many examples of answers to bodies as of bodies."""
    for operation in {one for one, _, _ in SENT}:
        answers = response_of(operation, 200)["content"]["application/json"]["examples"]
        assert [name for one, name, _ in SENT if one == operation] == list(answers)


def test_form() -> None:
    """The answer to the parameters' examples, all of them, is the example of an answer to a form."""
    parameters = [resolved(parameter) for parameter in DESCRIPTION["paths"]["/v1/decision"]["get"]["parameters"]]
    asked = {parameter["name"]: parameter["example"] for parameter in parameters if parameter["in"] == "query"}
    assert example("GET /v1/decision", "form") == caller(POLICIES).get("/v1/decision", **asked).json


def test_policies() -> None:
    """The example of a document is that of a service that has loaded it."""
    assert caller(POLICIES).get("/v1/policies").json == POLICIES


def test_policy() -> None:
    """The example of one policy is part of the example of all."""
    name = COMPONENTS["parameters"]["Name"]["example"]
    assert example("GET /v1/policies/{name}", name) == caller(POLICIES).get(f"/v1/policies/{name}").json


@pytest.mark.parametrize(("path", "name"), [("/livez", "alive"), ("/readyz", "ready")])
def test_health(path: str, name: str) -> None:
    """The examples of health are those of a service that is well."""
    assert example(f"GET {path}", name) == caller(POLICIES).get(path).json


@implementer(IPolicyStore)
class TextStore:
    """A file that is none."""

    name = "etc/policies.toml"

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> Change:
        """Read the text."""
        return Change.whole(read_sources([Source(self.name, "toml", self.text)]))

    def load(self, base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Read the text; if it has mistakes, the last good one stands in."""
        try:
            self.good = self.read()
        except InvalidPolicies as invalid:
            behind = (Behind(self.name, NINE + 1800, is_kept=True),)
            return succeed(structs.replace(self.good, mistakes=invalid, behind=behind, loaded_at=NINE))
        return succeed(self.good)

    def watch(self, changed: object) -> Any:
        """Never change by itself."""
        return lambda: None


def test_status() -> None:
    """The example of a status is that of a service whose document was broken half an hour after it was loaded."""
    clock = Clock()
    clock.advance(NINE)
    good = tomli_w.dumps(POLICIES)
    store = TextStore(good)
    policies = LivePolicies(store, clock, in_thread=execute)
    policies.startService()
    clock.advance(1800)
    store.text = f"{good}maxage = 60\n"
    policies.reload()
    clock.advance(30)
    answer = Caller(tree_of(policies, clock)).get("/v1/status")
    check(answer, response_of("GET /v1/status", 200))
    assert example("GET /v1/status", "stale") | {"version": cors_service.__version__} == answer.json


def examples(part: Any, path: str = "") -> list[tuple[str, dict[str, Any], Any]]:
    """Each example of the description, where it stands, and the schema beside it."""
    if isinstance(part, list):
        return [found for index, item in enumerate(part) for found in examples(item, f"{path}/{index}")]
    if not isinstance(part, dict):
        return []
    found: list[tuple[str, dict[str, Any], Any]] = []
    if "schema" in part:
        values = [told["value"] for told in part.get("examples", {}).values()]
        values += [part["example"]] if "example" in part else []
        found = [(path, part["schema"], value) for value in values]
    return found + [one for key, value in part.items() if key != "examples" for one in examples(value, f"{path}/{key}")]


EXAMPLES = examples(DESCRIPTION)


@pytest.mark.parametrize(
    ("where", "schema", "value"), EXAMPLES, ids=[f"{one[0]} {n}" for n, one in enumerate(EXAMPLES)]
)
def test_examples_fit(where: str, schema: dict[str, Any], value: object) -> None:
    """Every example fits the schema beside it; one of an answer has nothing that is not described."""
    (fits if "requestBody" in where else fits_closely)(schema, value)


@pytest.mark.parametrize("name", [name for name, schema in COMPONENTS["schemas"].items() if "examples" in schema])
def test_examples_of_schemas_fit(name: str) -> None:
    """Every example in a schema fits it."""
    for value in COMPONENTS["schemas"][name]["examples"]:
        fits(COMPONENTS["schemas"][name], value)
