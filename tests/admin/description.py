"""The description of the admin API as a value, and how answers are checked against it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from tests.web.description import closed
from tests.web.traversal import Answer

DESCRIPTION: dict[str, Any] = json.loads(files("cors_service.admin").joinpath("openapi.json").read_bytes())
COMPONENTS: dict[str, Any] = DESCRIPTION["components"]
ANYWHERE = {405: "MethodNotAllowed", 404: "NotFound", 400: "RequestMalformed"}
"""What can be the answer on any path, by its status."""

# These are open: their members are those of the service's own API, and of documents.
_OPEN = {"Decision", "Query", "Policy", "Description"}
_CLOSED = {"components": closed(COMPONENTS)}
for _name in _OPEN:
    _CLOSED["components"]["schemas"][_name] = COMPONENTS["schemas"][_name]
# Headers that are HTTP's own business.
_UNDESCRIBED = {"server", "date", "connection", "content-type", "content-length"}


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the description, or what it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    component: dict[str, Any] = COMPONENTS[kind][name]
    return component


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each operation: its method, its path, and what is said of it."""
    for path, item in DESCRIPTION["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield method.upper(), path, operation


def response_to(method: str, path: str, answer: Answer) -> dict[str, Any]:
    """What the description says of an answer."""
    code = answer.json["code"] if answer.header("Content-Type") == "application/problem+json" else ""
    for told_method, told_path, operation in operations():
        pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(told_path))
        if told_method != ("GET" if method == "HEAD" else method) or not re.fullmatch(pattern, path.partition("?")[0]):
            continue
        responses = operation["responses"]
        if str(answer.status) in responses:
            response = resolved(responses[str(answer.status)])
            if not code or code in codes_of(response):
                return response
    response = COMPONENTS["responses"][ANYWHERE[answer.status]]
    assert code in codes_of(response), f"{method} {path} answers {answer.status} {code}, which is not described"
    return dict(response)


def codes_of(response: dict[str, Any]) -> list[str]:
    """The codes of the problem that a response is; none if it is none."""
    media = response.get("content", {}).get("application/problem+json")
    codes: list[str] = [] if media is None else media["schema"]["properties"]["code"]["enum"]
    return codes


def check(method: str, path: str, answer: Answer) -> None:
    """Fail unless an answer has all that is described of it, and nothing else."""
    response = response_to(method, path, answer)
    headers = {name.lower(): resolved(header) for name, header in response["headers"].items()}
    assert {name.lower() for name, _ in answer.lines} <= headers.keys() | _UNDESCRIBED
    for name, header in headers.items():
        value = answer.header(name)
        if value is None:
            assert not header.get("required") or name == "connection", name
        else:
            _fit(header["schema"], value)
    content: dict[str, Any] = response.get("content", {})
    assert answer.header("Content-Type") == next(iter(content), None)
    if method == "HEAD" or not content:
        assert answer.body == b""
    else:
        (media,) = content.values()
        _fit(closed(media["schema"]), answer.json)


def _fit(schema: dict[str, Any], value: object) -> None:
    _validator(json.dumps(schema)).validate(value)


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    """Compile a schema, in JSON, with all that it may refer to."""
    return jsonschema_rs.Draft202012Validator(json.loads(schema) | _CLOSED, validate_formats=True)
