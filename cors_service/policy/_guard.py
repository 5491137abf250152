"""From the table `guard` of a policy to a value."""

from __future__ import annotations

from collections.abc import Sequence

from cors_service.grammar.host import check_host
from cors_service.grammar.match import ANY_HOST, Match
from cors_service.grammar.mistakes import PolicyError
from cors_service.policy._names import Body, numbered
from cors_service.policy._report import Place
from cors_service.policy.model import ALL_REQUESTS, Guard


def read_guard(body: Body, matches: Sequence[Match | None], place: Place) -> Guard:
    """Read a guard of valid structure, and note every mistake.

    Args:
        body: Its table.
        matches: Each match of the policy; None for one that has a mistake.
        place: Where it is.
    """
    hosts = tuple(text for index, text in numbered(body.get("hosts", ())) if _is_host(text, place.at("hosts", index)))
    if "hosts" not in body and not place.at("hosts").is_refused:
        _check_known(matches, place)
    requests = body.get("requests", ALL_REQUESTS)
    kinds = {requests} if isinstance(requests, str) else set(requests)
    return Guard(
        requests=(ALL_REQUESTS,) if ALL_REQUESTS in kinds else tuple(sorted(kinds)),
        without_origin=body.get("without_origin", "allow"),
        hosts=tuple(dict.fromkeys(hosts)),
        mode=body.get("mode", "enforce"),
    )


def _is_host(text: str, place: Place) -> bool:
    try:
        check_host(text)
    except PolicyError as error:
        place.note(error)
        return False
    return True


def _check_known(matches: Sequence[Match | None], place: Place) -> None:
    """Note a guard that can't know by which hosts its service is called."""
    if matches and all(match is None or match.host not in {ANY_HOST, "<host>"} for match in matches):
        return
    what = "its policy has no match" if not matches else "a match is for any host"
    message = f"The guard does not know by which hosts the service may be called: {what}."
    place.refuse("guard-without-hosts", message, hint='Write them, as in hosts = ["tools.example.com", "localhost:*"].')
