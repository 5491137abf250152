"""The description of the API as a value, and how an answer is checked against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs

from tests.web.traversal import Answer, caller

DESCRIPTION: dict[str, Any] = caller().get("/openapi.json").json
COMPONENTS: dict[str, Any] = DESCRIPTION["components"]

# Headers of answers that are HTTP's own business.
_UNDESCRIBED = {"server", "date", "connection", "content-type", "content-length"}


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the description, or what it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    component: dict[str, Any] = COMPONENTS[kind][name]
    return component


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each operation by its method and path, such as `GET /livez`."""
    for path, item in DESCRIPTION["paths"].items():
        for method, operation in item.items():
            if method not in {"parameters", "x-any-method"}:
                yield f"{method.upper()} {path}", operation


def takes_any_method(path: str) -> bool:
    """Whether a path answers methods that are not described as it does GET."""
    return "x-any-method" in DESCRIPTION["paths"][path]


def response_of(operation: str, status: int) -> dict[str, Any]:
    """What the description says of an operation's answer with a status."""
    response: dict[str, Any] = dict(operations())[operation]["responses"][str(status)]
    return resolved(response)


def example(operation: str, name: str) -> Any:
    """An example of what an operation answers with 200."""
    return response_of(operation, 200)["content"]["application/json"]["examples"][name]["value"]


def codes_of(response: dict[str, Any]) -> list[str]:
    """The codes of the problem that a response is; an empty one if it is none."""
    media = response.get("content", {}).get("application/problem+json")
    codes: list[str] = [""] if media is None else media["schema"]["allOf"][1]["properties"]["code"]["enum"]
    return codes


def closed(schema: Any) -> Any:
    """A schema under which objects have no other members than those that it describes."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        strict.setdefault("additionalProperties", False)
    return strict


_CLOSED = closed(COMPONENTS)


def fits(schema: dict[str, Any], value: object) -> None:
    """Fail unless a value fits a schema as it stands in the description, as what a client may send."""
    _validator(json.dumps(schema), is_closed=False).validate(value)


def fits_closely(schema: dict[str, Any], value: object) -> None:
    """Fail unless a value fits a schema and has nothing that it does not describe, as what the service answers."""
    _validator(json.dumps(closed(schema)), is_closed=True).validate(value)


@cache
def _validator(schema: str, *, is_closed: bool) -> jsonschema_rs.Draft202012Validator:
    """Compile a schema, in JSON, with all that it may refer to."""
    whole = json.loads(schema) | {"components": _CLOSED if is_closed else COMPONENTS}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def check(answer: Answer, response: dict[str, Any], *, head: bool = False) -> None:
    """Fail unless an answer has all that is described of it, and nothing else.

    Args:
        answer: What came.
        response: What the description says.
        head: Whether it answers a HEAD, and so has no body.
    """
    headers = {name.lower(): resolved(header) for name, header in response["headers"].items()}
    assert {name.lower() for name, _ in answer.lines} <= headers.keys() | _UNDESCRIBED
    for name, header in headers.items():
        value: Any = answer.header(name)
        if value is None:
            assert not header.get("required"), name
        else:
            fits(header["schema"], int(value) if header["schema"].get("type") == "integer" else value)
    content: dict[str, Any] = response.get("content", {})
    media_type = (answer.header("Content-Type") or "").partition(";")[0]
    assert media_type in (content or {""})
    if head or not content:
        assert answer.body == b""
    else:
        is_json = media_type.endswith("json")
        fits_closely(content[media_type]["schema"], answer.json if is_json else answer.body.decode("utf-8"))
