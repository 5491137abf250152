"""What callers ask in the words of AuthZEN: subject, action, resource and context, as queries.

See https://openid.net/specs/authorization-api-1_0.html, sections 5 to 7. The subject is an origin, the action a method,
the resource a policy or a URL; `context.headers` has the header lines of a preflight. Other members are ignored.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from cors_service.decision import BadQuery, Query
from cors_service.grammar.mistakes import shown
from cors_service.wire.queries import read_query

STOPS: Final[dict[str, bool | None]] = {
    "execute_all": None,
    "deny_on_first_deny": False,
    "permit_on_first_permit": True,
}
"""Behind which decision a batch ends, for each value of `evaluations_semantic`."""

# What each part of an evaluation must have.
_REQUIRED: Final = {"subject": ("type", "id"), "action": ("name",), "resource": ("type", "id")}
# The types of resources, which are the fields of a query that find a policy.
_SELECTORS: Final = frozenset({"policy", "url"})


class UnknownType(BadQuery):
    """A subject or a resource is not one that decisions are about: that is a denial, and never an error of its own."""


def read_evaluation(fields: object) -> Query:
    """Make a query of an evaluation.

    Args:
        fields: What was parsed.

    Raises:
        BadQuery: A part is missing, or not as it must be (`query-malformed`).
        UnknownType: It is about something else (`unknown-type`).
    """
    if not isinstance(fields, dict):
        _refuse("An evaluation is a JSON object.")
    subject, action, resource = (_part(fields, name) for name in _REQUIRED)
    url = _object(resource, "properties").get("url")
    if url is not None and not isinstance(url, str):
        _refuse("The member url of the properties must be a string.")
    facts = {
        "method": action["name"],
        # A template fills in nothing where the request has no Origin.
        "origin": subject["id"] or None,
        "url": url,
        "headers": _object(fields, "context").get("headers"),
    }
    if resource["type"] in _SELECTORS:
        facts[resource["type"]] = resource["id"]
    query = read_query(facts)
    if subject["type"] != "origin":
        raise UnknownType("unknown-type", f"The type of the subject must be origin, not {shown(subject['type'])}.")
    if resource["type"] not in _SELECTORS:
        message = f"The type of the resource must be policy or url, not {shown(resource['type'])}."
        raise UnknownType("unknown-type", message)
    return query


def evaluations_of(fields: dict[str, Any]) -> list[object]:
    """Give the evaluations of a batch; none if the request is itself the only one.

    Raises:
        BadQuery: They are not a list (`query-malformed`).
    """
    items = fields.get("evaluations")
    if items is not None and not isinstance(items, list):
        _refuse("The member evaluations must be a list.")
    return items or []


def defaults_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Give what a batch says about each of its evaluations that does not say it itself."""
    return {name: fields[name] for name in (*_REQUIRED, "context") if name in fields}


def completed(item: object, defaults: dict[str, Any]) -> object:
    """Give an evaluation of a batch with its defaults.

    A part of its own replaces the default, but for what each part must have: that may come from the default
    (section 7.1.1; https://github.com/openid/authzen, certification, 3.2.7).
    """
    if not isinstance(item, dict):
        return item
    merged = defaults | item
    for name, required in _REQUIRED.items():
        default, own = defaults.get(name), item.get(name)
        if isinstance(default, dict) and isinstance(own, dict):
            merged[name] = {key: default[key] for key in required if key in default} | own
    return merged


def stop_of(fields: dict[str, Any]) -> bool | None:
    """Give the decision after which a batch ends; None if it has no such end.

    Raises:
        BadQuery: The options ask for something else (`query-malformed`).
    """
    semantic = _object(fields, "options").get("evaluations_semantic", "execute_all")
    if not isinstance(semantic, str) or semantic not in STOPS:
        _refuse(f"The option evaluations_semantic must be one of {', '.join(STOPS)}.")
    return STOPS[semantic]


def _part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    part = fields.get(name)
    if not isinstance(part, dict):
        _refuse(f"The member {name} must be an object.")
    for key in _REQUIRED[name]:
        if not isinstance(part.get(key), str):
            _refuse(f"The member {key} of the {name} must be a string.")
    return part


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """An object that may be left out."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(f"The member {name} must be an object.")
    return value


def _refuse(message: str) -> NoReturn:
    raise BadQuery("query-malformed", message)
