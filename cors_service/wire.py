"""Queries and decisions as JSON and as query strings: what servers and clients have in common."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

import msgspec

from cors_service.decision import BadQuery, Circumstances, Decision, Query
from cors_service.decision.own_origin import own_origin
from cors_service.decision.query import CIRCUMSTANCES
from cors_service.grammar.mistakes import shown
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import NULL
from cors_service.grammar.similar import similar_first
from cors_service.policy.model import RESOURCE_POLICIES

_GUARDED: Final = {name.replace("-", "_"): attribute for name, attribute in CIRCUMSTANCES.items()}
FORM_FIELDS: Final = ("policy", "url", "origin", "method", "request_method", "request_headers", *_GUARDED)
"""The parameters of the GET form."""

PROBLEM: Final = "application/problem+json"
"""The media type of an error (RFC 9457)."""

LONGEST_TTL: Final = 3600
"""Seconds for which a decision may be used again at most.

A grant that is revoked lives on for as long; and so does a wrong decision, if something else has answered in the
service's place. An hour also bridges every restart and most outages.
"""

_MAX_PARAMETERS: Final = 100

# The possible statuses, by the kind and whether it is allowed.
_STATUSES: Final[Mapping[tuple[str, bool | None], Container[int | None]]] = {
    ("preflight", True): (200, 204),
    ("preflight", False): (403,),
    ("actual", True): (None,),
    ("actual", False): (None,),
    ("same-origin", True): (None,),
    ("no-origin", None): (None,),
}

_ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
_CREDENTIALS: Final = "Access-Control-Allow-Credentials"
_TIMING: Final = "Timing-Allow-Origin"
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TOKENS: Final = re.compile(f"{_TOKEN}(?:, ?{_TOKEN})*")
# All headers that a decision can have, and their values.
_HEADERS: Final[Mapping[str, re.Pattern[str]]] = {
    _ALLOW_ORIGIN: re.compile(r"[!-~]+"),
    _CREDENTIALS: re.compile("true"),
    "Access-Control-Allow-Methods": _TOKENS,
    "Access-Control-Allow-Headers": _TOKENS,
    "Access-Control-Max-Age": re.compile("[0-9]{1,5}"),
    "Access-Control-Expose-Headers": _TOKENS,
    _TIMING: re.compile(r"[!-~]+(?:, [!-~]+)*"),
    "Cross-Origin-Resource-Policy": re.compile("|".join(RESOURCE_POLICIES)),
    "Vary": _TOKENS,
}

# The end of a name in an object; it may also be part of a string.
_NAMES: Final = re.compile(rb'"[ \t\r\n]*:')

_Value = TypeVar("_Value")

_encode: Final = msgspec.json.Encoder().encode


def parse_json(body: bytes) -> Any:
    """Read JSON (RFC 8259) strictly: no repeated keys, no NaN, no lone surrogates.

    Raises:
        BadQuery: With the code `body-malformed`.
    """
    try:
        text = body.decode("utf-8")
        value = _parse(text)
        if "\\u" in text:
            _encode(value)  # refuses half a character, which JSON can spell but which means nothing
    except RecursionError:
        raise BadQuery("body-malformed", "The body is nested too deeply.") from None
    except ValueError as error:
        raise BadQuery("body-malformed", f"The body is not JSON: {error}.") from None
    return value


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
        query_string: Everything behind the question mark (URL, #concept-urlencoded-parser).

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


def write_decision(decision: Decision, ttl: int) -> bytes:
    """Write a decision as the JSON of the API.

    Args:
        decision: The decision.
        ttl: For how many seconds a caller may use it again.
    """
    return b'%b,"ttl":%d}' % (_encode(decision)[:-1], ttl)


class Received(Decision, frozen=True, gc=False):
    """A decision as a client gets it.

    Attributes:
        ttl: For how many seconds it may be used again for an equal query.
    """

    ttl: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_TTL)] = 0


def read_decision(body: bytes, query: Query) -> Received:
    """Read a decision about a query from the JSON of the API.

    Whatever answers in the place of the service must not be able to do more than the service: a decision is about this
    query, and has no other headers than CORS headers.

    Args:
        body: The body of the answer.
        query: What was asked.

    Raises:
        ValueError: It is not a decision, or not one of this service about this query.
    """
    received = _read(_decode_decision, body)
    if query.policy is not None and received.policy != query.policy:
        raise ValueError(f"a decision of the policy {shown(received.policy)} instead of {shown(query.policy)}")
    _check_kind(received, query)
    _check_headers(received, query.origins[0] if len(query.origins) == 1 else None)
    return received


def read_decisions(body: bytes, queries: Sequence[Query]) -> list[Received | ReceivedProblem]:
    """Read a batch of decisions from the JSON of the API.

    Args:
        body: The body of the answer.
        queries: What was asked.

    Returns:
        For each query its decision, or the error in its place.

    Raises:
        ValueError: It is not a batch, has another number of decisions, or has one that `read_decision` refuses.
    """
    decisions = _read(_decode_batch, body).decisions
    if len(decisions) != len(queries):
        raise ValueError(f"{len(decisions)} decisions for {len(queries)} queries")
    return [_read_item(bytes(one), query) for one, query in zip(decisions, queries, strict=True)]


class ReceivedProblem(msgspec.Struct, frozen=True):
    """An error as a client gets it.

    Attributes:
        detail: What is wrong, a sentence for people.
        guarded: Whether a guard may be meant, so that the request must not pass for want of a decision.
    """

    detail: str
    guarded: bool = False


def read_problem(body: bytes) -> ReceivedProblem:
    """Read what is wrong from the body of an error (RFC 9457).

    Raises:
        ValueError: It is not an error of this service.
    """
    return _read(_decode_problem, body)


def problem_fields(status: int, code: str, detail: str) -> dict[str, object]:
    """Give the members of an error (RFC 9457, 3.1), and its code."""
    return {
        "type": f"urn:cors-service:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }


def write_query(query: Query) -> bytes:
    """Write a query as the JSON that `POST /v1/decision` takes."""
    return _encode(_as_usual(query))


def query_as_dict(query: Query) -> object:
    """Give a query as JSON types, as `POST /v1/decision` takes it."""
    return msgspec.to_builtins(_as_usual(query))


def write_queries(queries: Iterable[Query]) -> bytes:
    """Write queries as the JSON that `POST /v1/decisions` takes."""
    return _encode({"queries": [_as_usual(query) for query in queries]})


def write_json(value: object) -> bytes:
    """Write JSON types as compact JSON in UTF-8."""
    return _encode(value)


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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key is repeated in one object")
    return table


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a value")


def _check_kind(received: Received, query: Query) -> None:
    """Check that a decision is about a request of this kind.

    Raises:
        ValueError: It is not.
    """
    kind, allowed = received.kind, received.allowed
    if not query.origins:
        fits = kind == "no-origin"
    elif kind == "same-origin":
        fits = query.url is not None and query.origins == (own_origin(query.url),)
    else:
        fits = kind == ("preflight" if query.is_preflight else "actual")
    if not fits:
        raise ValueError(f"the kind {shown(kind)} does not fit the request")
    if received.status not in _STATUSES.get((kind, allowed), ()):
        raise ValueError(f"a decision of the kind {kind}, allowed: {allowed}, has the status {received.status}")


def _check_headers(received: Received, origin: str | None) -> None:
    """Check that a decision has only headers that one about this origin can have.

    Args:
        received: The decision.
        origin: The one Origin of the request, if it has one.

    Raises:
        ValueError: It has others.
    """
    headers = dict(received.headers)
    if len(headers) != len(received.headers):
        raise ValueError("a header is given twice")
    named = headers.get(_ALLOW_ORIGIN)
    is_another = named not in {origin, "*", None}
    if is_another and not _may_name_another(received, headers):
        raise ValueError(f"{_ALLOW_ORIGIN} is {shown(named)}, which is not the origin of the request")
    for name, value in headers.items():
        form = _HEADERS.get(name)
        if form is None or not form.fullmatch(value):
            raise ValueError(f"{shown(name)} with the value {shown(value)} is not a header of a decision")
        if received.allowed is False and name.startswith("Access-Control-") and not is_another:
            raise ValueError(f"a refusal has the header {shown(name)}")
    _check_timing(received, headers.get(_TIMING), origin)
    # The credentials are for an origin that is named (Fetch, #cors-protocol-and-credentials).
    if _CREDENTIALS in headers and "*" in {headers.get(_ALLOW_ORIGIN, "*"), headers.get(_TIMING)}:
        raise ValueError("a decision with credentials does not name the origin of the request")


def _may_name_another(received: Received, headers: Mapping[str, str]) -> bool:
    """Whether this is the answer of a static policy to a request of others: it does not depend on Origin."""
    depends = "Origin" in headers.get("Vary", "").split(", ")
    others = received.kind in {"same-origin", "no-origin"} or (received.allowed is False and received.rule is None)
    return others and not depends and read_origin(headers[_ALLOW_ORIGIN]) is not None


def _check_timing(received: Received, value: str | None, origin: str | None) -> None:
    """Check that timing is for the origin of the request, for all, or for a list of origins.

    Raises:
        ValueError: It is not.
    """
    if value is None or (received.allowed is not False and value in {origin, "*"}):
        return
    if not all(one == NULL or read_origin(one) for one in value.split(", ")):
        raise ValueError(f"{_TIMING} is {shown(value)}, which does not list origins")


def _read_item(body: bytes, query: Query) -> Received | ReceivedProblem:
    error = _read(_decode_item, body).error
    return read_decision(body, query) if error is None else error


def _read(decode: Callable[[bytes], _Value], body: bytes) -> _Value:
    try:
        return decode(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


class _UsualQuery(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    method: str
    policy: str | None = None
    url: str | None = None
    origin: str | None = None
    headers: dict[str, str] | list[tuple[str, str]] | None = None


class _Queries(msgspec.Struct, forbid_unknown_fields=True):
    queries: list[msgspec.Raw]


class _Item(msgspec.Struct):
    error: ReceivedProblem | None = None


class _Batch(msgspec.Struct):
    decisions: list[msgspec.Raw]


_decode_decision: Final = msgspec.json.Decoder(Received).decode
_parse: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant).decode
_decode_usual: Final = msgspec.json.Decoder(_UsualQuery).decode
_decode_queries: Final = msgspec.json.Decoder(_Queries).decode
_decode_problem: Final = msgspec.json.Decoder(ReceivedProblem).decode
_decode_item: Final = msgspec.json.Decoder(_Item).decode
_decode_batch: Final = msgspec.json.Decoder(_Batch).decode
