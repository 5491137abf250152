"""The description of the admin API is valid and whole: every path, method and code that there is, and no others."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.web.resource import Resource
from twisted.web.test.requesthelper import DummyRequest

import cors_service.admin
from tests.admin.description import COMPONENTS, DESCRIPTION, codes_of, operations, resolved
from tests.admin.trees import Office
from tests.web.traversal import Caller

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
SERVER = {"request-malformed", "request-timeout", "head-too-large", "body-too-large", "not-json", "body-malformed"}
SHARED = SERVER | {"method-not-allowed", "not-found", "misdirected", "internal"}
"""Codes of problems that are made elsewhere: by what all trees have in common."""


def test_valid() -> None:
    """The description is OpenAPI 3.1."""
    # Importing it takes more than a second, and each process that runs tests imports all modules of tests.
    from openapi_spec_validator import OpenAPIV31SpecValidator

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


def routes(resource: Resource, path: str = "", depth: int = 0) -> Iterator[str]:
    """The paths of a tree at which there is more than a 404; `{}` stands for any name."""
    if any(name.startswith("answer_") for name in dir(resource)):
        yield path
    for name, child in resource.children.items():
        yield from routes(child, f"{path}/{name.decode('ascii')}", depth)
    if "getChild" in vars(type(resource)) and not depth:
        yield from routes(resource.getChild(b"any", DummyRequest([])), f"{path}/{{}}", 1)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Give an admin process on this machine."""
    return Office(tmp_path)


def test_routes(office: Office) -> None:
    """Every path and method of the tree is described, and every one that is described is there."""
    told: dict[str, set[str]] = {}
    for method, path, _ in operations():
        told.setdefault(re.sub(r"{[^}]*}", "{}", path), set()).add(method)
    there = {*routes(office.tree), "/admin/v1/proposals/{}/approve"}
    assert there == set(told)
    for path, methods in told.items():
        answer = Caller(office.tree).ask("PROPFIND", path.replace("{}", "any"))
        assert answer.problem == (405, "method-not-allowed")
        allowed = set((answer.header("Allow") or "").split(", ")) - {"HEAD"}
        assert methods == allowed, path


def test_operations_have_names() -> None:
    """Every operation has a name of its own, and a summary."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for _, _, operation in operations())


def raised() -> set[tuple[int, str]]:
    """The status and code of each problem that the admin process makes itself."""
    found: set[tuple[int, str]] = set()
    for path in Path(cors_service.admin.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                "Problem",
                "DetailedProblem",
                "_invalid",
            }:
                match [getattr(argument, "value", None) for argument in node.args]:
                    case [int(status), str(code), *_]:
                        found.add((status, code))
    return found


def described() -> Iterator[tuple[int, str]]:
    """The status and code of each problem that is described."""
    responses: list[Any] = [*COMPONENTS["responses"].values()]
    responses += [resolved(one) for _, _, operation in operations() for one in operation["responses"].values()]
    for response in responses:
        for code in codes_of(response):
            schema = response["content"]["application/problem+json"]["schema"]
            yield schema["properties"]["status"]["const"], code


def test_codes() -> None:
    """Each problem that the process makes is described with its status, and there is no other."""
    told = set(described())
    assert raised() - told == set()
    computed = {"unknown-policy", "unknown-origin-set", "unknown-header-set"}
    assert {code for _, code in told - raised()} <= SHARED | computed
