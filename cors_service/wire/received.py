"""Answers as a client reads them: whatever answers in the place of the service can do no more than the service."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Annotated, Final, TypeVar

import msgspec

from cors_service.decision import Decision, Query
from cors_service.decision.own_origin import own_origin
from cors_service.grammar.mistakes import shown
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import NULL
from cors_service.policy.model import RESOURCE_POLICIES
from cors_service.wire.answers import LONGEST_TTL

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

_Value = TypeVar("_Value")


class Received(Decision, frozen=True, gc=False):
    """A decision as a client gets it.

    Attributes:
        ttl: For how many seconds it may be used again for an equal query.
    """

    ttl: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_TTL)] = 0


class ReceivedProblem(msgspec.Struct, frozen=True):
    """An error as a client gets it.

    Attributes:
        detail: What is wrong, a sentence for people.
        guarded: Whether a guard may be meant, so that the request must not pass for want of a decision.
    """

    detail: str
    guarded: bool = False


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


def read_problem(body: bytes) -> ReceivedProblem:
    """Read what is wrong from the body of an error (RFC 9457).

    Raises:
        ValueError: It is not an error of this service.
    """
    return _read(_decode_problem, body)


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


class _Item(msgspec.Struct):
    error: ReceivedProblem | None = None


class _Batch(msgspec.Struct):
    decisions: list[msgspec.Raw]


_decode_decision: Final = msgspec.json.Decoder(Received).decode
_decode_problem: Final = msgspec.json.Decoder(ReceivedProblem).decode
_decode_item: Final = msgspec.json.Decoder(_Item).decode
_decode_batch: Final = msgspec.json.Decoder(_Batch).decode
