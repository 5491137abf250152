"""`cors-service status`: whether a replica has the newest policies, and whether all of a fleet have."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from cors_service.cli._admin import AdminClient, NotAdministeredError
from cors_service.cli._lines import in_one_line
from cors_service.cli._status import ALLOWED, FAILED, REFUSED
from cors_service.cli.arguments import Commands, add_command
from cors_service.grammar.mistakes import plural

_Told = Mapping[str, Any]


class Standing(Struct, frozen=True):
    """How a replica or a fleet stands.

    Attributes:
        is_well: Whether everything has the newest policies, as far as is known, and nothing is wrong.
        lines: The same in words.
    """

    is_well: bool
    lines: tuple[str, ...]


def add_status(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "status",
        "say whether a service has the newest policies or, for cors-admin, whether all of its replicas do",
        "status http://127.0.0.1:8080",
        "status http://cors-admin.internal:8081",
    )
    parser.add_argument("where", metavar="ADDRESS", help="a service that decides, or cors-admin")
    parser.add_argument("--json", action="store_true", help="print what it answers, for programs")
    parser.set_defaults(run=_status)


def _status(options: argparse.Namespace) -> int:
    try:
        client = AdminClient(options.where)
        reply = client.send("GET", "/v1/status")
        if reply.status == HTTPStatus.NOT_FOUND:
            told, _ = client.get("fleet")
            standing = of_fleet(told, _proposals(client))
        elif reply.is_ok:
            told = json.loads(reply.body)
            standing = of_service(told, datetime.now(UTC))
        else:
            raise client.refusal(reply)
    except (NotAdministeredError, ValueError, LookupError, TypeError, AttributeError) as error:
        neither = f"{options.where} is neither a replica nor cors-admin."
        what = str(error) if isinstance(error, NotAdministeredError) else neither
        print(f"cors-service status: {what}", file=sys.stderr)
        return FAILED
    print(json.dumps(told) if options.json else "\n".join(map(in_one_line, standing.lines)))
    return ALLOWED if standing.is_well else REFUSED


def of_service(told: _Told, now: datetime) -> Standing:
    """Read the status of a service.

    Args:
        told: What `/v1/status` gives.
        now: The time.
    """
    store = told["store"]
    count = told["policies"]
    lines = [f"{told['source']}: {count} {plural(count, 'policy', 'policies')}, {told['revision']}"]
    if store is not None:
        lines += _of_store(store, now)
    mistakes = told["mistakes"]
    lines += [f"{one['path'] or one['file'] or 'mistake'}: {one['message']} [{one['code']}]" for one in mistakes]
    is_behind = store is not None and (store["behind_since"] is not None or store["confirmed_at"] is None)
    return Standing(not (told["stale"] or is_behind or (store or {}).get("problem")), tuple(lines))


def _proposals(client: AdminClient) -> int:
    """Count the changes that wait for a second person, as far as it is known."""
    reply = client.send("GET", "status")
    return int(client.told(reply, "proposals")["proposals"]) if reply.is_ok else 0


def of_fleet(told: _Told, proposals: int = 0) -> Standing:
    """Read what an admin process says of its replicas.

    Args:
        told: What `/admin/v1/fleet` gives.
        proposals: How many changes wait for a second person. Replicas can be well without them.
    """
    alive = [one for one in told["replicas"] if one["alive"]]
    lines = [f"change {told['seq']}, {told['revision']}: {told['confirmed']} of {len(alive)} live replicas have it"]
    for one in told["replicas"]:
        lines += _of_replica(one)
    if proposals:
        lines.append(
            f"not published: {proposals} {plural(proposals, 'change waits', 'changes wait')} for a second person"
        )
    is_well = not told["waiting"] and not any(one["problem"] for one in alive)
    return Standing(is_well, tuple(lines))


def _of_store(store: _Told, now: datetime) -> Iterator[str]:
    seq, head, age = store["seq"], store["head_seq"], store["confirmed_age_seconds"]
    which = f"change {seq}" if head in {None, seq} else f"change {seq} of {head}"
    since = f", behind for {_ago(store['behind_since'], now)}" if store["behind_since"] else ""
    confirmed = (
        "never confirmed to be the newest" if age is None else f"confirmed to be the newest {age:.1f} seconds ago"
    )
    yield f"{which}{since}, {confirmed}"
    yield from _problem(store["problem"])


def _of_replica(one: _Told) -> Iterator[str]:
    what = "up to date" if one["current"] else "behind"
    if not one["alive"]:
        what += f"; last heard of {one['age_seconds']:.0f} seconds ago"
    which = one["revision"] if one["seq"] is None else f"change {one['seq']}"
    yield f"{one['instance']}: {which}, {what}"
    yield from (f"  {line}" for line in _problem(one["problem"]))


def _problem(problem: _Told | None) -> Iterator[str]:
    if problem is not None:
        yield f"{problem['message']} [{problem['code']}]"


def _ago(since: str, now: datetime) -> str:
    seconds = round(max((now - datetime.fromisoformat(since)).total_seconds(), 0))
    return f"{seconds} {plural(seconds, 'second')}"
