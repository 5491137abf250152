"""Under which conditions a request wants to change something: `If-Match`, `If-None-Match`, `Prefer`."""

from __future__ import annotations

import re
from typing import Final

from cors_service.access.callers import Caller
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import DetailedProblem
from cors_service.admin.making import LONGEST_WAIT, MOST_TOLD, since
from cors_service.ledger.entry import Key
from cors_service.ledger.kept import Kept
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

# RFC 9110, 8.8.3; a proxy may have made a strong tag a weak one.
_TAG: Final = re.compile(rb'(?:W/)?"([!#-~]*)"')
_LIST: Final = re.compile(rb'[ \t]*(?:(?:W/)?"[!#-~]*"[ \t]*(?:,[ \t]*|$))+')
_WAIT: Final = re.compile(rb"wait[ \t]*=[ \t]*\"?([0-9]{1,6})\"?")
ANY: Final = "*"


def tags(request: AnyRequest, name: bytes) -> tuple[str, ...]:
    """Read the tags of a header; `*` stands for any, and nothing for no header.

    Raises:
        Problem: It can't be read.
    """
    lines = request.requestHeaders.getRawHeaders(name) or ()
    text = b",".join(lines).strip()
    if not text:
        return ()
    if text == b"*":
        return (ANY,)
    if not _LIST.fullmatch(text):
        shown = name.decode("ascii").title()
        raise Problem(400, "header-malformed", f'{shown} must be an ETag in quotes, such as "42", or *.')
    return tuple(tag.decode("ascii") for tag in _TAG.findall(text))


def seconds_to_wait(request: AnyRequest) -> int:
    """Read for how many seconds an answer may wait (RFC 7240, 4.3); 0 if the client prefers nothing."""
    for line in request.requestHeaders.getRawHeaders(b"prefer") or ():
        for preference in line.split(b","):
            found = _WAIT.fullmatch(preference.strip().lower())
            if found is not None:
                return min(int(found[1]), LONGEST_WAIT)
    return 0


def check_definition(
    desk: Desk, kept: Kept, key: Key, matching: tuple[str, ...], none_matching: tuple[str, ...], caller: Caller
) -> None:
    """Check that a client knows the definition that it wants to change.

    Args:
        desk: What resources share.
        kept: What is there.
        key: The definition.
        matching: The tags of which it must have one; none if the client does not say.
        none_matching: The tags of which it must have none.
        caller: The client.

    Raises:
        Problem: It does not.
    """
    current = kept.digests.get(key)
    if matching:
        if current is not None and (ANY in matching or current in matching):
            return
        raise _outdated(desk, kept, key, matching, caller)
    if none_matching:
        if current is None or not (ANY in none_matching or current in none_matching):
            return
        raise _outdated(desk, kept, key, (), caller)
    if current is not None:
        what = key.kind.replace("-", " ")
        detail = f"This {what} exists: GET it, and send its ETag as If-Match to change it."
        raise Problem(428, "precondition-required", detail)


def check_head(desk: Desk, kept: Kept, matching: tuple[str, ...], caller: Caller) -> None:
    """Check that a client knows the newest change.

    Args:
        desk: What resources share.
        kept: What is there.
        matching: The numbers of which it must know one.
        caller: The client.

    Raises:
        Problem: It does not.
    """
    if not matching:
        detail = 'Send the number of the newest change that you know as If-Match, such as "42" (or *, for any).'
        raise Problem(428, "precondition-required", detail)
    if ANY in matching or str(kept.head.seq) in matching:
        return
    known = max((int(tag) for tag in matching if tag.isdigit() and len(tag) < 16), default=0)
    detail = f"The newest change is {kept.head.seq}: look at what has changed, and try again."
    raise DetailedProblem(412, "outdated", detail, {"current": None, **since(desk, kept, known, caller)})


def _outdated(desk: Desk, kept: Kept, key: Key, matching: tuple[str, ...], caller: Caller) -> DetailedProblem:
    """The answer to a client that knows another definition."""
    current = kept.digests.get(key)
    members = since(desk, kept, _seq_of(desk, kept, key, matching), caller)
    entries = members["entries"]
    members["entries"] = [entry for entry in entries if any(one.key == key for one in entry["changes"])]
    if key.kind == "policy":
        members["differences"] = [one for one in members["differences"] if one["policy"] == key.name]
    members["current"] = None
    if current is not None:
        members["current"] = {"etag": f'"{current}"', "document": desk.changes.store.body(key)}
    detail = "It was changed since you read it." if current is not None else "It does not exist, or no longer exists."
    return DetailedProblem(412, "outdated", detail, members)


def _seq_of(desk: Desk, kept: Kept, key: Key, matching: tuple[str, ...]) -> int:
    """The number of the newest change that wrote a definition with one of these tags; 0 if it is too long ago."""
    seq = 0
    for signed in desk.changes.store.entries(max(kept.head.seq - 10 * MOST_TOLD, 0), 10 * MOST_TOLD):
        if any(one.key == key and one.after in matching for one in signed.entry.changes):
            seq = signed.entry.seq
    return seq
