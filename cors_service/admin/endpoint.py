"""What every resource of the admin process is made of: who may ask, and that no page of another origin can."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from cors_service.access.callers import VERBS, Caller
from cors_service.admin.desk import Desk
from cors_service.ledger.appending import rfc3339
from cors_service.web.answer import Answer
from cors_service.web.callers import known_callers
from cors_service.web.endpoint import Endpoint
from cors_service.web.hosts import Hosts
from cors_service.web.later import Later, Steps
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

LOCAL: Final = Caller(name="local", verbs=frozenset(VERBS))
"""Whoever can connect to a loopback address or a Unix socket, where nobody said who may do what."""

_SAFE: Final = frozenset({"GET", "HEAD"})
_REFUSALS: Final = frozenset({401, 403})
_SAME_ORIGIN: Final = frozenset({b"same-origin", b"none"})
_TARGET_OF_ORIGIN: Final = re.compile(rb"https?://(.+)")
_REQUEST_ID: Final = re.compile(rb"[!-~](?:[ -~]{0,126}[!-~])?")
_MOST_PARAMETERS: Final = 20
_NAME_HEADER: Final = b"X-Request-ID"
# The names of requests without one, as long as there are these requests.
_NAMES: Final[WeakKeyDictionary[AnyRequest, str]] = WeakKeyDictionary()


class DetailedProblem(Problem):
    """An error that has more members than the others (RFC 9457, 3.2)."""

    def __init__(self, status: int, code: str, detail: str, members: Mapping[str, object], **others: Any) -> None:
        super().__init__(status, code, detail, **others)
        self.members = members

    def as_dict(self) -> dict[str, object]:
        """All members."""
        return {**super().as_dict(), **self.members}


class LacksVerb(Problem):
    """A known caller asks for something that it has no verb for.

    Attributes:
        caller: The caller.
    """

    def __init__(self, caller: Caller, detail: str) -> None:
        super().__init__(403, "forbidden", detail)
        self.caller = caller


class DeskEndpoint(Endpoint):
    """A resource of the admin process, for anybody.

    Attributes:
        desk: What it has in common with the others.
    """

    def __init__(self, desk: Desk) -> None:
        """Make one.

        Args:
            desk: What it has in common with the others.
        """
        super().__init__(desk.ids)
        self.desk = desk

    @property
    def hosts(self) -> Hosts | None:  # type: ignore[override]  # which is the same for all of them
        """The names by which the process is asked; None for any."""
        return self.desk.hosts


class AdminEndpoint(DeskEndpoint):
    """A resource of the admin process, for callers that are known.

    Sub-classes define `answer_GET`, `answer_PUT` and so on, which take a request and its caller, and give an `Answer`
    or a `Later`.

    Attributes:
        verbs: For each method the verbs of which a caller needs one.
        is_audited: Whether the audit log has each request that may write, and not only those that are refused.
    """

    wants_transport = True
    verbs: ClassVar[Mapping[str, tuple[str, ...]]] = {"GET": ("read",)}
    is_audited: ClassVar[bool] = True

    def known(self, request: AnyRequest) -> list[Caller]:
        """The known callers that a request shows to be from: one, as a rule."""
        if self.desk.access is None:
            return [LOCAL]
        return list(known_callers(request, self.desk.access.active))

    def check_sender(self, request: AnyRequest) -> None:
        """Refuse a request to change something that a page of another origin sends.

        Raises:
            Problem: One sent it.
        """
        refuse_foreign_page(request)

    def later(self, make: Callable[[], Coroutine[Deferred[Any], Any, Answer]]) -> Later:
        """Give an answer that something has to be waited for.

        Args:
            make: Makes it. What it has begun goes on if the client leaves.
        """
        return Later(self.desk.turns, _awaited(make))

    def own_headers(self, request: AnyRequest) -> list[tuple[bytes, bytes]]:
        """The headers that only this answer has; the name of the request is among them, whoever gave it."""
        headers = super().own_headers(request)
        if all(name != _NAME_HEADER for name, _ in headers):
            headers.append((_NAME_HEADER, request_id(request).encode("ascii")))
        return headers

    def _method_for(self, method: str) -> Callable[[AnyRequest], Answer | Later]:
        answer: Callable[..., Answer | Later] = super()._method_for(method)
        return partial(self._answer_as_caller, method, answer)

    def _answer_as_caller(
        self, method: str, answer: Callable[..., Answer | Later], request: AnyRequest
    ) -> Answer | Later:
        changes = method not in _SAFE
        caller = None
        try:
            if changes:
                self.check_sender(request)
            caller = self._caller(request, method)
            found = answer(request, caller)
        except Problem as problem:
            self._audit_problem(request, caller, problem, changes=changes)
            raise
        if isinstance(found, Later):
            return Later(found.turns, self._audited(request, caller, found.steps, changes=changes))
        if changes:
            self._audit(request, caller, found.status)
        return found

    def _audited(self, request: AnyRequest, caller: Caller, steps: Steps, *, changes: bool) -> Steps:
        try:
            found = yield from steps
        except Problem as problem:
            self._audit_problem(request, caller, problem, changes=changes)
            raise
        if changes:
            self._audit(request, caller, found.status)
        return found

    def _audit_problem(self, request: AnyRequest, caller: Caller | None, problem: Problem, *, changes: bool) -> None:
        """Write down that something was refused; of requests that only read, what the caller may not."""
        if changes or problem.status in _REFUSALS:
            known = problem.caller if isinstance(problem, LacksVerb) else caller
            self._audit(request, known, problem.status, problem.code)

    def _audit(self, request: AnyRequest, caller: Caller | None, status: int, code: str = "") -> None:
        if not (self.is_audited or code):
            return
        now = self.desk.clock.seconds()
        line = {
            "at": rfc3339(now),
            "caller": None if caller is None else caller.name,
            "method": request.method.decode("ascii", "replace"),
            "path": request.path.decode("ascii", "backslashreplace"),
            "request_id": request_id(request),
            "status": status,
            "code": code or None,
        }
        if caller is None:
            self.desk.audit.write_unknown(now, **line)
        else:
            self.desk.audit.write(**line)

    def _caller(self, request: AnyRequest, method: str) -> Caller:
        """The caller of a request.

        Raises:
            Problem: It is not known, or may not do this.
        """
        known = self.known(request)
        verbs = self.verbs["GET" if method == "HEAD" else method]
        for caller in known:
            if not caller.verbs.isdisjoint(verbs):
                return caller
        if known:
            raise LacksVerb(known[0], f"This caller lacks the verb {' or '.join(verbs)}.")
        detail = "The request has no known token and came with no known certificate."
        raise Problem(401, "unauthorized", detail, {"WWW-Authenticate": "Bearer"})


def request_id(request: AnyRequest) -> str:
    """The name of a request: the one that the client gave it, or else a new one, which the answer has."""
    given = request.requestHeaders.getRawHeaders(b"x-request-id")
    if given and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return _NAMES.setdefault(request, os.urandom(12).hex())


def parameters(request: AnyRequest, *known: str) -> dict[str, str]:
    """Read the parameters of a query string.

    Args:
        request: The request.
        known: Those that there are.

    Raises:
        Problem: One is not known, or stands there twice.
    """
    query = request.uri.partition(b"?")[2].decode("ascii", "replace")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Problem(400, "parameter-malformed", "The query string can't be read.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise Problem(400, "parameter-malformed", f"The parameter {repeated!a} is given more than once.")
    unknown = sorted(found.keys() - set(known))
    if unknown:
        listed = f" The parameters are: {', '.join(known)}." if known else ""
        raise Problem(400, "parameter-malformed", f"There is no parameter {unknown[0]!a}.{listed}")
    return found


def flag(found: Mapping[str, str], name: str) -> bool:
    """Read a parameter that is 1 or 0.

    Raises:
        Problem: It is something else.
    """
    value = found.get(name, "0")
    if value not in {"0", "1"}:
        raise Problem(400, "parameter-malformed", f"The parameter {name} must be 1 or 0.")
    return value == "1"


def number(found: Mapping[str, str], name: str, default: int, most: int, *, least: int = 0) -> int:
    """Read a parameter that is a whole number.

    Raises:
        Problem: It is something else, too large or too small.
    """
    text = found.get(name, str(default))
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1
    if not least <= value <= most:
        detail = f"The parameter '{name}' must be a whole number from {least} to {most}."
        raise Problem(400, "parameter-malformed", detail)
    return value


def refuse_foreign_page(request: AnyRequest) -> None:
    """Refuse what a page of another origin sends: it needs no CORS to send it, and no token where there is none.

    Sec-Fetch-Site and Origin are set by browsers, not by pages (https://www.w3.org/TR/fetch-metadata/,
    https://fetch.spec.whatwg.org/#forbidden-request-header). Other clients send neither.

    Raises:
        Problem: It came from such a page.
    """
    headers = request.requestHeaders
    sites = headers.getRawHeaders(b"sec-fetch-site") or ()
    hosts = headers.getRawHeaders(b"host") or ()
    origins = headers.getRawHeaders(b"origin") or ()
    found = [_TARGET_OF_ORIGIN.fullmatch(origin) for origin in origins]
    is_own = all(one is not None and list(hosts) == [one[1]] for one in found)
    if not is_own or len(sites) > 1 or not _SAME_ORIGIN.issuperset(sites):
        raise Problem(403, "cross-site", "A page of another origin sent this request.")


def _awaited(make: Callable[[], Coroutine[Deferred[Any], Any, Answer]]) -> Steps:
    found: list[Answer | Failure] = []
    done: Deferred[None] = Deferred()

    def take(result: Answer | Failure) -> None:
        found.append(result)
        done.callback(None)

    Deferred.fromCoroutine(make()).addBoth(take)
    yield done
    [result] = found
    if isinstance(result, Failure):
        result.raiseException()
    assert isinstance(result, Answer)
    return result
