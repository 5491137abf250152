"""The facts of a request of an application, as a query."""

from __future__ import annotations

from collections.abc import Iterable

from cors_service.decision import Query


def query_of(
    method: str,
    lines: Iterable[tuple[str, str]],
    *,
    scheme: str,
    host: str,
    path: str,
    policy: str | None,
) -> Query:
    """Make a query.

    Args:
        method: The method of the request.
        lines: Its header lines, at least those that decide about CORS.
        scheme: The scheme of its URL.
        host: Its one Host; empty if there is none, or several.
        path: The path of its URL, encoded.
        policy: The name of the policy, or None to find it by the URL.
    """
    # Where a policy is named, the path decides about nothing, and may be as odd as it likes.
    known = path if policy is None else "/"
    # Neither may reach into what is not its own: a Host with a slash would begin the path, a path without one go on
    # with the host.
    is_whole = bool(host) and not set(host) & set("/?#\\") and known.startswith("/")
    url = f"{scheme}://{host}{known}" if is_whole else None
    return Query.received(method, lines, policy=policy, url=url)
