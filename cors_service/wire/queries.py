"""Queries: as JSON, in every form that is taken, and as a query string."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

import msgspec

from cors_service.decision import BadQuery, Circumstances, Query
from cors_service.decision.query import CIRCUMSTANCES
from cors_service.grammar.mistakes import shown
from cors_service.grammar.similar import similar_first
from cors_service.wire.json_text import parse_json, write_json

_GUARDED: Final = {name.replace("-", "_"): attribute for name, attribute in CIRCUMSTANCES.items()}
FORM_FIELDS: Final = ("policy", "url", "origin", "method", "request_method", "request_headers", *_GUARDED)
"""The parameters of the GET form."""

_MAX_PARAMETERS: Final = 100

# The end of a name in an object; it may also be part of a string.
_NAMES: Final = re.compile(rb'"[ \t\r\n]*:')


def read_query(fields: object) -> Query:
    """Make a query of the object that `POST /v1/decision` takes.

    Args:
        fields: What was parsed; unknown fields are ignored.

    Raises:
        BadQuery: A field is missing, of the wrong type, or contradicts another (`query-malformed`).
    """
    if not isinstance(fields, dict):
        _refuse("A query is a JSON object.")
    method = fields.get("method")
    if not isinstance(method, str):
        _refuse("The field method must be a string: the method of the request that was received.")
    policy, url, origin = (_optional_string(fields, name) for name in ("policy", "url", "origin"))
    return _make_query(method, policy, url, origin, _header_lines(fields.get("headers")))


def read_query_text(text: bytes) -> Query:
    """Make a query of the JSON that `POST /v1/decision` takes; usual queries are read several times as fast.

    Raises:
        BadQuery: As `parse_json` and `read_query` do.
    """
    try:
        usual = _decode_usual(text)
    except (ValueError, RecursionError):
        return read_query(parse_json(text))
    given = usual.policy, usual.url, usual.origin, usual.headers
    names = 1 + len(given) - given.count(None)
    lines: Iterable[tuple[str, str]] = ()
    if isinstance(usual.headers, dict):
        names += len(usual.headers)
        lines = usual.headers.items()
    elif usual.headers is not None:
        lines = usual.headers
    # The decoder keeps the last of two equal names. This counts every name, and perhaps more.
    if len(_NAMES.findall(text)) != names:
        return read_query(parse_json(text))
    return _make_query(usual.method, usual.policy, usual.url, usual.origin, lines)


def read_form(query_string: bytes) -> Query:
    """Make a query of the query string of `GET /v1/decision`.

    An empty parameter counts as absent, so that a template can name all of them. The method is GET if none is
    given, or OPTIONS with a request_method. Bytes that are not UTF-8 become a character that no origin,
    method or name has.

    Args:
        query_string: Everything after the question mark (URL, #concept-urlencoded-parser).

    Raises:
        BadQuery: A parameter is unknown, one other than request_headers is repeated, or there are very many
            (`query-malformed`).
    """
    given: dict[str, list[str]] = {name: [] for name in FORM_FIELDS}
    try:
        text = query_string.decode("utf-8", "replace")
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        _refuse(f"There are more than {_MAX_PARAMETERS} parameters.")
    for name, value in pairs:
        if name not in given:
            _refuse(_unknown_parameter(name))
        if value:
            given[name].append(value)
    return make_query(given)


def split_queries(body: bytes) -> list[bytes] | None:
    """Find the texts of the queries of a batch, as `POST /v1/decisions` takes it, without reading them.

    Returns:
        The texts in their order, each perhaps not valid JSON. None if the body may hold anything else, so that it must
        be read as a whole.
    """
    # A key can be repeated, and can be spelled with escapes; the decoder would accept both.
    if body.count(b'"queries"') != 1 or b"\\" in body:
        return None
    try:
        return [bytes(text) for text in _decode_queries(body).queries]
    except (ValueError, RecursionError):
        return None


def make_query(given: Mapping[str, Sequence[str]]) -> Query:
    """Make a query of the values of each of FORM_FIELDS; absent fields have none.

    Raises:
        BadQuery: A field other than request_headers has several values (`query-malformed`).
    """
    for name, values in given.items():
        if len(values) > 1 and name != "request_headers":
            _refuse(f"The parameter {name} is given more than once.")
    first = {name: values[0] if values else None for name, values in given.items()}
    others = {attribute: tuple(given[name]) for name, attribute in _GUARDED.items() if given.get(name)}
    return Query(
        method=first["method"] or ("OPTIONS" if first["request_method"] else "GET"),
        policy=first["policy"],
        url=first["url"],
        origins=tuple(given["origin"]),
        request_methods=tuple(given["request_method"]),
        request_headers=tuple(given["request_headers"]),
        circumstances=Circumstances(**others) if others else None,
    )


def write_query(query: Query) -> bytes:
    """Write a query as the JSON that `POST /v1/decision` takes."""
    return write_json(_as_usual(query))


def query_as_dict(query: Query) -> object:
    """Give a query as JSON types, as `POST /v1/decision` takes it."""
    return msgspec.to_builtins(_as_usual(query))


def write_queries(queries: Iterable[Query]) -> bytes:
    """Write queries as the JSON that `POST /v1/decisions` takes."""
    return write_json({"queries": [_as_usual(query) for query in queries]})


def _as_usual(query: Query) -> _UsualQuery:
    headers = [
        *(("Origin", origin) for origin in query.origins),
        *(("Access-Control-Request-Method", method) for method in query.request_methods),
        *(("Access-Control-Request-Headers", names) for names in query.request_headers),
    ]
    if query.circumstances is not None:
        others = msgspec.structs.asdict(query.circumstances)
        headers += ((name, line) for name, attribute in CIRCUMSTANCES.items() for line in others[attribute])
    return _UsualQuery(query.method, query.policy, query.url, headers=headers)


def _make_query(
    method: str, policy: str | None, url: str | None, origin: str | None, lines: Iterable[tuple[str, str]]
) -> Query:
    query = Query.received(method, lines, policy=policy, url=url)
    if origin is None:
        return query
    if query.origins and query.origins != (origin,):
        _refuse("The field origin contradicts the Origin in headers.")
    return msgspec.structs.replace(query, origins=(origin,))


def _header_lines(headers: object) -> Iterable[tuple[str, str]]:
    """The lines of the three forms that `headers` can have."""
    if headers is None:
        return []
    lines: list[tuple[Any, Any]] = []
    if isinstance(headers, dict):
        for name, values in headers.items():
            lines += [(name, value) for value in (values if isinstance(values, list) else [values])]
    elif isinstance(headers, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in headers):
        lines = [(name, value) for name, value in headers]
    else:
        _refuse("The field headers must be an object of names and values, or a list of [name, value] pairs.")
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in lines):
        _refuse("The names and values of headers must be strings.")
    return lines


def _optional_string(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        _refuse(f"The field {name} must be a string.")
    return value


def _refuse(message: str) -> NoReturn:
    raise BadQuery("query-malformed", message)


def _unknown_parameter(name: str) -> str:
    return f"There is no parameter {shown(name)}. The parameters are: {', '.join(similar_first(name, FORM_FIELDS))}."


class _UsualQuery(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    method: str
    policy: str | None = None
    url: str | None = None
    origin: str | None = None
    headers: dict[str, str] | list[tuple[str, str]] | None = None


class _Queries(msgspec.Struct, forbid_unknown_fields=True):
    queries: list[msgspec.Raw]


_decode_usual: Final = msgspec.json.Decoder(_UsualQuery).decode
_decode_queries: Final = msgspec.json.Decoder(_Queries).decode
