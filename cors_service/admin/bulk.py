"""`/admin/v1/changes` and `/admin/v1/rollback`: several definitions in one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, get_args

from cors_service.access.callers import Caller
from cors_service.admin.conditions import check_head, seconds_to_wait, tags
from cors_service.admin.definitions import checked_reason, pointer, used_by_others, visible
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import AdminEndpoint, flag, parameters, request_id
from cors_service.admin.making import Order, carry_out
from cors_service.grammar.mistakes import Path
from cors_service.ledger.chain import digests_of_entries
from cors_service.ledger.edits import Edit, bodies_of, digest_of_body, replacing
from cors_service.ledger.entry import TABLES, Key, Kind
from cors_service.ledger.kept import Kept
from cors_service.web.body import json_body
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.wire.json_text import parse_json

_CHANGES: Final = "changes"
_DOCUMENT: Final = "document"


class _Asked(NamedTuple):
    """What a body asks for."""

    edits: Callable[[Kept], Sequence[Edit]]
    place: Callable[[Path], str | None]


class BulkEndpoint(AdminEndpoint):
    """What changes several definitions; the body is read in another thread, since it may be large.

    Attributes:
        members: Those that the body may have.
    """

    verbs: ClassVar = {"POST": ("write", "propose")}
    members: ClassVar[frozenset[str]]

    def answer_POST(self, request: AnyRequest, caller: Caller) -> Later:
        """Make the change."""
        body = json_body(request, self.desk.body, None)
        given = parameters(request, "dry_run")
        matching = tags(request, b"if-match")
        asked: list[_Asked] = []

        def edits(kept: Kept) -> Sequence[Edit]:
            fields = _fields(parse_json(body), self.members)
            order.reason = _reason(fields)
            asked[:] = [self.read(fields, caller)]
            return asked[0].edits(kept)

        order = Order(
            caller=caller,
            request_id=request_id(request),
            reason="",
            edits=edits,
            condition=lambda kept: check_head(self.desk, kept, matching, caller),
            place=lambda path: asked[0].place(path) if asked else None,
            is_dry=flag(given, "dry_run"),
            wait=seconds_to_wait(request),
        )
        return self.later(lambda: carry_out(self.desk, order))

    def read(self, fields: Mapping[str, Any], caller: Caller) -> _Asked:
        """Read what a body asks for.

        Raises:
            Problem: It can't be read.
        """
        raise NotImplementedError


class ChangesEndpoint(BulkEndpoint):
    """`/admin/v1/changes`: a list of definitions to write and to remove, or a document that replaces all of them."""

    members = frozenset({"reason", _CHANGES, _DOCUMENT})

    def read(self, fields: Mapping[str, Any], caller: Caller) -> _Asked:
        """Read either of the two."""
        if (_CHANGES in fields) == (_DOCUMENT in fields):
            raise _malformed("There must be either changes or a document.")
        if _CHANGES in fields:
            return _listed(fields[_CHANGES])
        return _replacing(fields[_DOCUMENT], caller)


class RollbackEndpoint(BulkEndpoint):
    """`/admin/v1/rollback`: a new change that leads back to what an earlier one led to."""

    members = frozenset({"reason", "to"})

    def read(self, fields: Mapping[str, Any], caller: Caller) -> _Asked:
        """Read which one."""
        to = fields.get("to")
        if not isinstance(to, int) or isinstance(to, bool) or to < 1:
            raise _malformed("The member 'to' must be the number of a change.")
        return _Asked(lambda kept: rollback_edits(self.desk, kept, to), lambda _: None)


def rollback_edits(desk: Desk, kept: Kept, to: int) -> list[Edit]:
    """Give what leads back to the definitions that there were after a change.

    Args:
        desk: What resources share.
        kept: What is there.
        to: The number of the change.

    Raises:
        Problem: The ledger does not have them.
    """
    if to > kept.head.seq:
        raise Problem(404, "unknown-change", f"There is no change {to}; the newest is {kept.head.seq}.")
    store = desk.changes.store
    then = digests_of_entries(store.entries(0, to))
    try:
        bodies = store.bodies_at(to)
    except LookupError as error:
        raise Problem(404, "unknown-change", str(error)) from None
    changed = sorted(key for key in then.keys() | kept.digests.keys() if then.get(key) != kept.digests.get(key))
    for key in then.keys() & set(changed):
        if digest_of_body(key, bodies[key]) != then[key]:
            detail = f"What the ledger has of {key.kind} {key.name} was changed: run `cors-service ledger verify`."
            raise Problem(409, "ledger-broken", detail)
    return [Edit(key, bodies.get(key)) for key in changed]


def _fields(value: object, members: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _malformed("The body must be an object.")
    unknown = sorted(value.keys() - members)
    if unknown:
        raise _malformed(f"There is no member {unknown[0]!a}. The members are: {', '.join(sorted(members))}.")
    return value


def _reason(fields: Mapping[str, Any]) -> str:
    reason = fields.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise _malformed("The member reason must say why, in a few words.")
    return checked_reason(reason)


def _listed(value: object) -> _Asked:
    """A list of definitions."""
    if not isinstance(value, list) or not value:
        raise _malformed("The member changes must be a list, and not be empty.")
    edits = [_edit(one, index) for index, one in enumerate(value)]
    places = {(TABLES[edit.key.kind], edit.key.name): index for index, edit in enumerate(edits)}
    if len(places) < len(edits):
        raise _malformed("The member 'changes' names something twice.")

    def place(path: Path) -> str | None:
        index = places.get((str(path[0]), str(path[1]))) if len(path) > 1 else None
        return None if index is None else pointer((_CHANGES, index, _DOCUMENT, *path[2:]))

    return _Asked(lambda _: edits, place)


def _edit(value: object, index: int) -> Edit:
    if not isinstance(value, dict) or value.keys() != {"kind", "name", _DOCUMENT}:
        raise _malformed(f"changes[{index}] must have the members kind, name and document, and no others.")
    kind, name = value["kind"], value["name"]
    if kind not in get_args(Kind):
        raise _malformed(f"The kind of changes[{index}] must be one of: {', '.join(get_args(Kind))}.")
    if not isinstance(name, str):
        raise _malformed(f"The name of changes[{index}] must be a string.")
    return Edit(Key(kind, name), value[_DOCUMENT])


def _replacing(value: object, caller: Caller) -> _Asked:
    """A document that takes the place of all that the caller may change."""
    if not isinstance(value, dict) or value.get("version") != 1:
        raise _malformed('The document must be an object, with "version": 1.')
    unknown = sorted(value.keys() - {"version", "$schema", *TABLES.values()})
    if unknown or not all(isinstance(value.get(table, {}), dict) for table in TABLES.values()):
        raise _malformed(f"A document has the members version, {', '.join(TABLES.values())}, which are objects.")
    bodies = bodies_of(value)
    return _Asked(
        lambda kept: replacing(bodies, kept.digests, _owned(kept, caller)), lambda path: pointer((_DOCUMENT, *path))
    )


def _owned(kept: Kept, caller: Caller) -> set[Key]:
    """What a caller may see, and nobody else uses."""
    if caller.policies is None:
        return set(kept.digests)
    return visible(kept, caller) - used_by_others(kept, caller)


def _malformed(detail: str) -> Problem:
    return Problem(400, "change-malformed", detail)
