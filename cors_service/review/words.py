"""Queries and answers in words, and the command that shows an answer."""

from __future__ import annotations

import shlex
from typing import Final
from urllib.parse import urlencode

from cors_service.decision import BadQuery, Decision, Query
from cors_service.wire.queries import FORM_FIELDS, make_query, write_query

ANY_SERVICE: Final = "http://127.0.0.1:8080"
"""The address of a service that somebody starts to try something."""

_SAFE: Final = ":/"


def query_in_words(query: Query) -> str:
    """Say what a page asks."""
    who = f"a page of {', '.join(query.origins)}" if query.origins else "a request without Origin"
    target = query.url if query.url is not None else f"a URL of policy {query.policy}"
    by = f" (policy {query.policy})" if query.url is not None and query.policy is not None else ""
    if query.is_preflight:
        headers = f" with {', '.join(query.request_headers)}" if query.request_headers else ""
        return f"{who} asks whether it may send {query.request_methods[0]}{headers} to {target}{by}"
    return f"{who} sends {query.method} to {target}{by}"


def answer_in_words(answer: Decision | BadQuery) -> str:
    """Say what is decided, and why."""
    if isinstance(answer, BadQuery):
        return f"no decision [{answer.code}]: {answer.message}"
    words = {True: "allowed", False: "refused", None: "not a matter of CORS"}[answer.allowed]
    status = f", {answer.status}" if answer.status else ""
    return f"{words}{status} [{answer.reason.code}]: {answer.reason.message}"


def changed_headers(before: Decision | BadQuery, after: Decision | BadQuery) -> list[tuple[str, str]]:
    """List the headers that go, with a minus, and those that come, with a plus."""
    old, new = ([] if isinstance(answer, BadQuery) else answer.headers for answer in (before, after))
    gone = [("-", f"{name}: {value}") for name, value in old if (name, value) not in new]
    return gone + [("+", f"{name}: {value}") for name, value in new if (name, value) not in old]


def curl_for(query: Query, service: str = ANY_SERVICE) -> str:
    """Write the command that asks a service about a query.

    Args:
        query: The query.
        service: The address of the service.
    """
    given = {
        "policy": query.policy,
        "url": query.url,
        "origin": query.origins[0] if query.origins else None,
        "method": query.method,
        "request_method": query.request_methods[0] if query.request_methods else None,
        "request_headers": query.request_headers[0] if query.request_headers else None,
    }
    if query.method == ("OPTIONS" if query.request_methods else "GET"):
        del given["method"]
    form = {name: value for name, value in given.items() if value}
    # The short form can't say everything, such as two lines of one header.
    if make_query({name: [form[name]] if name in form else [] for name in FORM_FIELDS}) == query:
        return shlex.join(["curl", "-s", f"{service}/v1/decision?{urlencode(form, safe=_SAFE)}"])
    body = write_query(query).decode("utf-8")
    return shlex.join(["curl", "-s", "-H", "Content-Type: application/json", f"{service}/v1/decision", "-d", body])
