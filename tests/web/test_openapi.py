"""Tests that the description of the API is valid, whole, and has the words of the code."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec import structs
from twisted.web.resource import Resource
from twisted.web.test.requesthelper import DummyRequest

import cors_service
from cors_service.decision import BadQuery, Decision, Reason
from cors_service.decision.decision import REASONS, REFUSALS, Kind
from cors_service.policy.model import Rule
from cors_service.policy.schema import SCHEMA
from cors_service.web import Limits
from cors_service.web._proxies import ProxyEndpoint
from cors_service.web.endpoint import Endpoint
from cors_service.web.problem import Problem
from cors_service.wire.queries import FORM_FIELDS
from tests.web.description import COMPONENTS, DESCRIPTION, codes_of, operations, resolved, takes_any_method
from tests.web.traversal import caller, tree

SCHEMAS: dict[str, Any] = COMPONENTS["schemas"]
EVERYWHERE = {
    "MethodNotAllowed",
    "NotFound",
    "RequestMalformed",
    "RequestTimeout",
    "HeadTooLarge",
    "BodyTooLarge",
    "Unauthorized",
    "Misdirected",
    "Forbidden",
}
"""What can be the answer on any path; the text of the description says when."""
GRANTS = {"allowed", "no-origin", "same-origin"}
UNDECIDED = {"no-method", "no-policy-for-url", "unknown-policy", "url-ambiguous", "url-malformed"}
"""The reasons of decisions that refuse nothing."""


def test_valid() -> None:
    """The description is OpenAPI 3.1."""
    # Importing it takes more than a second, and each process that runs tests imports all modules of tests.
    from openapi_spec_validator import OpenAPIV31SpecValidator

    assert DESCRIPTION["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DESCRIPTION).validate()


def test_nothing_is_left_over() -> None:
    """Every component is referred to, or named in the text as what can happen on any path."""
    document, text = json.dumps(DESCRIPTION), DESCRIPTION["info"]["description"]
    unused = {
        name
        for kind, parts in COMPONENTS.items()
        for name in parts
        if kind != "securitySchemes" and f'"#/components/{kind}/{name}"' not in document
    }
    assert unused <= EVERYWHERE
    assert {name for name in EVERYWHERE if f"`{name}`" in text} == EVERYWHERE


def test_security() -> None:
    """Every way to show who asks is described, as a choice, for what decides or tells; the rest is for everybody."""
    ways: list[dict[str, list[str]]] = [{}]
    ways += [{name: []} for name in COMPONENTS["securitySchemes"]]
    for name, operation in operations():
        path = name.split()[1]
        assert (ways if path.startswith(("/v1/", "/access/", "/metrics")) else []) == operation.get(
            "security", DESCRIPTION["security"]
        )


def routes(resource: Resource, path: str = "") -> Iterator[str]:
    """The paths of a tree at which there is more than a 404; `{}` stands for any name."""
    if isinstance(resource, ProxyEndpoint):
        yield from (path, f"{path}/{{}}", *([f"{path}/{{}}/{{}}"] if resource.takes_path else []))
    elif any(name.startswith("answer_") for name in dir(resource)):
        yield path
    for name, child in resource.children.items():
        yield from routes(child, f"{path}/{name.decode('ascii')}")
    if type(resource).getChild is not Endpoint.getChild:
        yield from routes(resource.getChild(b"any", DummyRequest([])), f"{path}/{{}}")


def methods_at(path: str) -> list[str]:
    """The methods of a path of the tree; `*` if it has them all."""
    answer = caller().ask("PROPFIND", path.replace("{}", "any"))
    return (answer.header("Allow") or "").split(", ") if answer.status == 405 else ["*"]


def methods_told(operation: str) -> list[str]:
    """The methods that are described together with an operation."""
    method, path = operation.split()
    if takes_any_method(path):
        return ["*"]
    # HEAD is described in words: it is answered wherever GET is.
    return ["GET", "HEAD"] if method == "GET" else [method]


def test_routes() -> None:
    """Every path and method of the tree is described, and every one that is described is there."""
    there = {f"{method} {path}" for path in routes(tree()) for method in methods_at(path)}
    told = {
        f"{method} {re.sub(r'{[^}]*}', '{}', operation.split()[1])}"
        for operation, _ in operations()
        for method in methods_told(operation)
    }
    assert there == told


def test_operations_have_names() -> None:
    """Every operation has a name of its own, for the programs that make clients of descriptions, and a summary."""
    names = [operation["operationId"] for _, operation in operations()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for _, operation in operations())


def test_reasons() -> None:
    """The description lists the reasons and kinds of decisions that there are, no more and no fewer."""
    assert sorted(REASONS) == sorted(SCHEMAS["Reason"]["properties"]["code"]["enum"])
    assert sorted(get_args(Kind)) == sorted(SCHEMAS["Decision"]["properties"]["kind"]["enum"])


def test_reasons_told_to_proxies() -> None:
    """The description lists the reasons that proxies get: those of decisions, and those for having none."""
    # Where proxies ask without a policy, there is a URL, if only an empty one.
    queries = {values[0] for made, values, _ in calls("decision") if made == "BadQuery"} - {"no-selector"}
    undecided = {values[0] for made, values, _ in calls("web") if made == "Undecided"}
    told = COMPONENTS["headers"]["CorsDecisionReason"]["schema"]["enum"]
    assert sorted(REASONS | queries | undecided) == sorted(told)


def test_fields() -> None:
    """The description lists the fields of decisions, rules and forms that there are."""
    decision = {field.name for field in structs.fields(Decision)} | {"ttl"}
    assert decision == set(SCHEMAS["Decision"]["properties"]) == set(SCHEMAS["Decision"]["required"])
    assert {field.name for field in structs.fields(Reason)} == set(SCHEMAS["Reason"]["properties"])
    assert {field.name for field in structs.fields(Rule)} == set(SCHEMAS["Rule"]["properties"])
    parameters = [resolved(parameter) for parameter in dict(operations())["GET /v1/decision"]["parameters"]]
    assert tuple(parameter["name"] for parameter in parameters if parameter["in"] == "query") == FORM_FIELDS


@pytest.mark.parametrize("field", ["dangerously_allow", "resource_policy"])
def test_words_of_rules(field: str) -> None:
    """Fields of rules that take certain words alone are described with those that documents may have."""
    told, taken = (rule["properties"][field] for rule in (SCHEMAS["Rule"], SCHEMA["$defs"]["rule"]))
    assert set(taken.get("items", taken)["enum"]) == set(told.get("items", told)["enum"])


def test_limit_of_batches() -> None:
    """The description has the limit of batches that the service has."""
    batches = [("Batch", "queries"), ("Decisions", "decisions")]
    batches += [("Evaluations", "evaluations"), ("EvaluatedAll", "evaluations")]
    for name, field in batches:
        assert Limits().batch == SCHEMAS[name]["properties"][field]["maxItems"]


def calls(package: str = "") -> Iterator[tuple[str | None, list[Any], ast.Call]]:
    """What is called anywhere in the source, or in one package, with which constants; None for other arguments.

    The admin process has a description of its own, and the console is for people.
    """
    root = Path(cors_service.__file__).parent
    for path in root.joinpath(package).rglob("*.py"):
        if path.is_relative_to(root / "admin") or path.is_relative_to(root / "console"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                made = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
                values = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
                yield made, values, node


def raised() -> dict[int, set[str]]:
    """The codes of all problems that the source makes, by the status of the answers that they become."""
    codes: dict[int, set[str]] = defaultdict(set)
    for made, values, node in calls():
        match made, values:
            case "BadQuery", [str(code), *_]:
                codes[Problem.of(BadQuery(code, "")).status].add(code)
            case "Problem" | "_refuse", [int(status), str(code), *_]:
                codes[status].add(code)
            case "Problem", [403, None, *_]:
                # What is enforced: the reason of a decision, or why there is none.
                codes[403] |= REASONS - GRANTS | REFUSALS | UNDECIDED
            case "BadQuery" | "Problem", _:
                # A name passes on what callers write out; what is computed could not be found here.
                assert all(isinstance(argument, ast.Name) for argument in node.args[:2]), ast.unparse(node)
    return codes


def status_of(problem: dict[str, Any]) -> int:
    """The status that a problem is described with."""
    schema = problem["content"]["application/problem+json"]["schema"]
    status: int = schema["allOf"][1]["properties"]["status"]["const"]
    return status


def test_problem_codes() -> None:
    """The description lists the codes of problems that there are, each with the status that it comes with."""
    told: dict[int, set[str]] = defaultdict(set)
    for response in [
        *COMPONENTS["responses"].values(),
        *(response for _, operation in operations() for response in operation["responses"].values()),
    ]:
        if codes_of(resolved(response)) != [""]:
            told[status_of(resolved(response))] |= set(codes_of(resolved(response)))
    assert raised() == told
    assert {code for codes in told.values() for code in codes} == set(SCHEMAS["Problem"]["properties"]["code"]["enum"])


@pytest.mark.parametrize("name", COMPONENTS["responses"])
def test_problems_stand_with_their_status(name: str) -> None:
    """A problem is described with the status under which it is listed."""
    statuses = {
        int(status)
        for _, operation in operations()
        for status, response in operation["responses"].items()
        if response == {"$ref": f"#/components/responses/{name}"}
    }
    response = COMPONENTS["responses"][name]
    if codes_of(response) != [""]:
        constant = response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["status"][
            "const"
        ]
        assert statuses <= {constant}
