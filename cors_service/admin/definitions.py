"""`/admin/v1/policies`, `/admin/v1/origin-sets`, `/admin/v1/header-sets`: what documents define, one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from cors_service.access.callers import Caller
from cors_service.admin.basis import sets_used_by
from cors_service.admin.conditions import check_definition, seconds_to_wait, tags
from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import AdminEndpoint, flag, parameters, request_id
from cors_service.admin.making import Order, carry_out
from cors_service.grammar.mistakes import Path, shown
from cors_service.grammar.nearest import nearest
from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import LONGEST_REASON, TABLES, Key, Kind
from cors_service.ledger.kept import Kept
from cors_service.policy.model import Policy
from cors_service.web.answer import JSON, Answer
from cors_service.web.body import json_body
from cors_service.web.endpoint import NotFound
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.tags import unless_held
from cors_service.wire.json_text import parse_json, write_json

SEGMENTS: Final[dict[Kind, bytes]] = {
    "policy": b"policies",
    "origin-set": b"origin-sets",
    "header-set": b"header-sets",
}
"""Where each kind is."""

_CACHED: Final = "private, no-cache"


class DefinitionsEndpoint(AdminEndpoint):
    """All definitions of a kind; of policies, with the sets that they use: a document."""

    def __init__(self, desk: Desk, kind: Kind) -> None:
        super().__init__(desk)
        self._kind = kind

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Give all of them that the caller may see."""
        parameters(request)

        async def read() -> Answer:
            return unless_held(request, await self.desk.changes.ask(self._read_for(caller)))

        return self.later(read)

    def _read_for(self, caller: Caller) -> Callable[[Kept], Answer]:
        def read(kept: Kept) -> Answer:
            keys = [key for key in visible(kept, caller) if self._kind in {"policy", key.kind}]
            body = write_json(document(self.desk, keys, self._kind))
            return Answer(200, JSON, body, {"ETag": f'"{kept.head.seq}"', "Cache-Control": _CACHED})

        return read

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """One of them by its name."""
        if not path or request.postpath:
            return NotFound(self.ids)
        return DefinitionEndpoint(self.desk, Key(self._kind, path.decode("utf-8", "replace")))


class DefinitionEndpoint(AdminEndpoint):
    """One definition."""

    verbs: ClassVar = {"GET": ("read",), "PUT": ("write", "propose"), "DELETE": ("write", "propose")}

    def __init__(self, desk: Desk, key: Key) -> None:
        super().__init__(desk)
        self._key = key

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Give it, as a document has it."""
        parameters(request)

        async def read() -> Answer:
            found = await self.desk.changes.ask(lambda kept: self._read(kept, caller))
            return unless_held(request, found)

        return self.later(read)

    def answer_PUT(self, request: AnyRequest, caller: Caller) -> Later:
        """Write it."""
        body = json_body(request, self.desk.body, None)
        return self._order(request, caller, lambda: parse_json(body))

    def answer_DELETE(self, request: AnyRequest, caller: Caller) -> Later:
        """Remove it."""
        return self._order(request, caller, lambda: None)

    def _order(self, request: AnyRequest, caller: Caller, body: Any) -> Later:
        given = parameters(request, "dry_run", "reason")
        reason = checked_reason(given.get("reason", ""))
        matching, none_matching = tags(request, b"if-match"), tags(request, b"if-none-match")
        key, is_removal = self._key, request.method == b"DELETE"
        if key.kind == "policy" and not caller.may_touch(key.name):
            raise Problem(403, "forbidden", "This caller may not change this policy.")

        def condition(kept: Kept) -> None:
            if caller.policies is not None and key in kept.digests and key not in visible(kept, caller):
                raise Problem(403, "forbidden", "This caller may not change this.")
            if is_removal and key not in kept.digests and not matching:
                raise _unknown(key, kept, caller)
            check_definition(self.desk, kept, key, matching, none_matching, caller)

        def edits(_: Kept) -> Sequence[Edit]:
            written = body()
            if written is None and not is_removal:
                raise Problem(400, "body-malformed", "The body is null: use DELETE to remove something.")
            return [Edit(key, written)]

        order = Order(
            caller=caller,
            request_id=request_id(request),
            reason=reason,
            edits=edits,
            condition=condition,
            place=lambda path: pointer(path[2:]) if path[:2] == (TABLES[key.kind], key.name) else None,
            is_dry=flag(given, "dry_run"),
            wait=seconds_to_wait(request),
            created=lambda kept: key not in kept.digests,
            tag=lambda kept: f'"{kept.digests[key]}"' if key in kept.digests else None,
        )
        return self.later(lambda: carry_out(self.desk, order))

    def _read(self, kept: Kept, caller: Caller) -> Answer:
        if self._key not in kept.digests or self._key not in visible(kept, caller):
            if self._key.kind == "policy" and not caller.may_touch(self._key.name):
                raise Problem(403, "forbidden", "This caller may not ask about this policy.")
            raise _unknown(self._key, kept, caller)
        body = write_json(self.desk.changes.store.body(self._key))
        headers = {"ETag": f'"{kept.digests[self._key]}"', "Cache-Control": _CACHED}
        return Answer(200, JSON, body, headers)


def visible(kept: Kept, caller: Caller) -> set[Key]:
    """The definitions that a caller may see: its policies, and what they use."""
    if caller.policies is None:
        return set(kept.digests)
    policies = [policy for name, policy in kept.policy_set.policies.items() if caller.may_touch(name)]
    return {*(Key("policy", policy.name) for policy in policies), *_used_by(policies)}


def used_by_others(kept: Kept, caller: Caller) -> set[Key]:
    """The sets that policies use which a caller may not see."""
    if caller.policies is None:
        return set()
    return _used_by([policy for name, policy in kept.policy_set.policies.items() if not caller.may_touch(name)])


def _used_by(policies: Sequence[Policy]) -> set[Key]:
    return {key for policy in policies for key in sets_used_by(policy)}


def document(desk: Desk, keys: Sequence[Key], kind: Kind) -> dict[str, Any]:
    """Write definitions as one document, as their authors wrote them."""
    written: dict[str, Any] = {"version": 1, TABLES[kind]: {}}
    bodies = desk.changes.store.bodies(keys)
    for key in sorted(bodies):
        written.setdefault(TABLES[key.kind], {})[key.name] = bodies[key]
    return written


def checked_reason(text: str) -> str:
    """Check the reason of a change.

    Raises:
        Problem: It is too long.
    """
    if len(text) > LONGEST_REASON:
        raise Problem(400, "reason-too-long", f"A reason has {LONGEST_REASON} characters at most.")
    return text


def pointer(path: Path) -> str:
    """Write a path as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _unknown(key: Key, kept: Kept, caller: Caller) -> Problem:
    what = key.kind.replace("-", " ")
    near = nearest(key.name, [one.name for one in visible(kept, caller) if one.kind == key.kind])
    hint = f" The nearest is '{near}'." if near else ""
    return Problem(404, f"unknown-{key.kind}", f"There is no {what} {shown(key.name)}.{hint}")
