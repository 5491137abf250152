"""For applications of WSGI (PEP 3333), such as those of Flask and Django."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cors_service.asking.headers import decorate
from cors_service.decision import Query
from cors_service.decision.query import CIRCUMSTANCES, CORS_HEADERS
from cors_service.protect._answer import preflight_lines
from cors_service.protect._decide import Policies, decider, may_be_guarded
from cors_service.protect._facts import query_of
from cors_service.protect._guarding import Guarding
from cors_service.protect._service_client import ServiceClient

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["CORSMiddleware", "ServiceClient"]

_LINES: Final = {f"HTTP_{name.upper().replace('-', '_')}": name for name in CORS_HEADERS}
_GUARDED_LINES: Final = _LINES | {f"HTTP_{name.upper().replace('-', '_')}": name for name in CIRCUMSTANCES}
_log: Final = logging.getLogger(__name__)

# All characters that may stand in a path unencoded (RFC 3986, 3.3), except letters, digits and `-._~`.
_PLAIN: Final = "/!$&'()*+,;=:@"


class CORSMiddleware:
    """Answers preflights in the place of an application, and puts the decided headers on all its answers.

    What the guard of a policy refuses does not reach the application.
    """

    def __init__(
        self, app: WSGIApplication, policies: Policies, *, policy: str | None = None, guarded: bool | None = None
    ) -> None:
        """Wrap an application.

        Args:
            app: The application.
            policies: What decides: a policy set, or a `ServiceClient` to ask.
            policy: The name of the policy; by default it is found by the URL.
            guarded: Whether requests get a 503 about which nothing can be decided; by default where it is known that a
                policy has a guard.

        Raises:
            TypeError: `policies` can't decide.
            ValueError: The policy set has no policy of this name.
        """
        self._app = app
        self._policy = policy
        self._decide = decider(policies, policy)
        self._may_stop = guarded or may_be_guarded(policies)
        self._lines = _GUARDED_LINES if may_be_guarded(policies) else _LINES
        self._guarding = Guarding(guarded, lambda what: _log.warning("%s", what))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        decision = self._decide(self._query(environ))
        if self._may_stop:
            stopped = self._guarding.stopped(decision, (environ.get("HTTP_ACCEPT", ""),))
            if stopped is not None:
                status = HTTPStatus(stopped.status)
                start_response(f"{status} {status.phrase}", stopped.lines)
                return [] if environ["REQUEST_METHOD"] == "HEAD" else [stopped.body]
        if decision.status is not None:
            status = HTTPStatus(decision.status)
            start_response(f"{status} {status.phrase}", preflight_lines(decision))
            return []

        def start(status: str, lines: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            return start_response(status, decorate(lines, decision.headers), *exc_info)

        return self._app(environ, start)

    def _query(self, environ: WSGIEnvironment) -> Query:
        return query_of(
            environ["REQUEST_METHOD"],
            # Repeated lines come joined by commas, which no Origin has.
            [(name, environ[key]) for key, name in self._lines.items() if key in environ],
            scheme=environ["wsgi.url_scheme"],
            host=environ.get("HTTP_HOST", ""),
            # The path that the application sees finds the policy; it is decoded (PEP 3333, "URL Reconstruction").
            path=quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"), _PLAIN)
            or "/",
            policy=self._policy,
        )
