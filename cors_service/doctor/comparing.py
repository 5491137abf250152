"""What a decision service would have answered."""

from __future__ import annotations

from collections.abc import Sequence
from http.client import HTTPException
from typing import Final

from cors_service.asking.address import parse_address
from cors_service.asking.token import authorization
from cors_service.asking.words import in_words
from cors_service.decision import Decision, Query
from cors_service.doctor.exchanges import Exchange
from cors_service.review.services import open_connection
from cors_service.wire.queries import write_queries
from cors_service.wire.received import ReceivedProblem, read_decisions, read_problem

_SECONDS: Final = 10.0
_MOST: Final = 1024 * 1024


class NoDecisionError(Exception):
    """The service does not decide about these requests; the text says why."""


def decide_all(
    exchanges: Sequence[Exchange], service: str, policy: str | None, token: str | None = None
) -> list[Decision]:
    """Ask a decision service about every request of a visit.

    Args:
        exchanges: What was asked.
        service: The address of the service.
        policy: The name of the policy; None if the URL finds it.
        token: What is shown to a service that knows its callers.

    Raises:
        NoDecisionError: It does not decide.
    """
    queries = [
        Query.received(each.question.method, each.question.lines, policy=policy, url=each.question.url)
        for each in exchanges
    ]
    try:
        status, body = _post(service, write_queries(queries), token)
        answers = read_decisions(body, queries) if status == 200 else [read_problem(body)]
    except (OSError, HTTPException, ValueError) as error:
        raise NoDecisionError(f"The decision service at {service} can't be asked: {in_words(error)}.") from None
    decisions: list[Decision] = []
    for answer in answers:
        if isinstance(answer, ReceivedProblem):
            raise NoDecisionError(f"The decision service at {service} does not decide: {answer.detail}")
        decisions.append(answer)
    return decisions


def _post(service: str, body: bytes, token: str | None) -> tuple[int, bytes]:
    address = parse_address(service)
    connection = open_connection(address, _SECONDS)
    try:
        headers = {"Content-Type": "application/json", **authorization(token)}
        connection.request("POST", f"{address.prefix}/v1/decisions", body, headers)
        with connection.getresponse() as response:
            return response.status, response.read(_MOST)
    finally:
        connection.close()
