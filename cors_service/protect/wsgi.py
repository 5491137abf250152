"""For applications of WSGI (PEP 3333), such as those of Flask and Django."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cors_service.asking.headers import decorate
from cors_service.decision import Query
from cors_service.protect._answer import preflight_lines
from cors_service.protect._decide import Policies, decider
from cors_service.protect._facts import query_of
from cors_service.protect._service_client import ServiceClient

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["CORSMiddleware", "ServiceClient"]

_LINES: Final = {
    "HTTP_ORIGIN": "Origin",
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "Access-Control-Request-Method",
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "Access-Control-Request-Headers",
}

# All characters that may stand in a path unencoded (RFC 3986, 3.3), except letters, digits and `-._~`.
_PLAIN: Final = "/!$&'()*+,;=:@"


class CORSMiddleware:
    """Answers preflights in the place of an application, and puts the decided headers on all its answers."""

    def __init__(self, app: WSGIApplication, policies: Policies, *, policy: str | None = None) -> None:
        """Wrap an application.

        Args:
            app: The application.
            policies: What decides: a policy set, or a `ServiceClient` to ask.
            policy: The name of the policy; by default it is found by the URL.

        Raises:
            TypeError: `policies` can't decide.
            ValueError: The policy set has no policy of this name.
        """
        self._app = app
        self._policy = policy
        self._decide = decider(policies, policy)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        decision = self._decide(self._query(environ))
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
            [(name, environ[key]) for key, name in _LINES.items() if key in environ],
            scheme=environ["wsgi.url_scheme"],
            host=environ.get("HTTP_HOST", ""),
            # The path that the application sees finds the policy; it is decoded (PEP 3333, "URL Reconstruction").
            path=quote((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"), _PLAIN)
            or "/",
            policy=self._policy,
        )
