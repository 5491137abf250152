"""How commands ask an admin process."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from cors_service.asking.address import Address, parse_address
from cors_service.asking.token import authorization
from cors_service.review.services import open_connection
from cors_service.wire.received import read_problem

TOKEN: Final = "CORS_SERVICE_TOKEN"
"""The variable that holds the token for a process that knows its callers."""

_TIMEOUT: Final = 120.0
_MOST: Final = 1 << 30


class Reply(Struct, frozen=True):
    """What came back.

    Attributes:
        status: The HTTP status.
        headers: Its headers, by their names in lower case.
        body: The body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_ok(self) -> bool:
        """Whether it is no error."""
        return self.status < http.client.BAD_REQUEST

    @property
    def why(self) -> str:
        """What is wrong, as far as it says: its status and a sentence."""
        try:
            return f"{self.status}: {read_problem(self.body).detail}"
        except ValueError:
            return str(self.status)


class NotAdministeredError(Exception):
    """An admin process does not do what it is asked for; the text says why."""


class AdminClient:
    """Asks an admin process."""

    def __init__(self, address: str) -> None:
        """Make one.

        Args:
            address: Where the process is, such as `http://127.0.0.1:8081`.

        Raises:
            NotAdministeredError: The address or the token is malformed.
        """
        try:
            self._address: Address = parse_address(address)
            self._headers = {"Accept": "application/json", **authorization(os.environ.get(TOKEN))}
        except ValueError as error:
            raise NotAdministeredError(str(error)) from None
        self._name = address

    def send(self, method: str, path: str, value: object = None, **headers: str) -> Reply:
        """Send a request to a path beneath `/admin/v1`, or to one that begins with a slash.

        Underscores in names of headers stand for hyphens.

        Raises:
            NotAdministeredError: There is no answer.
        """
        lines = {**self._headers, **{name.replace("_", "-"): line for name, line in headers.items()}}
        body = None
        if value is not None:
            body = json.dumps(value).encode("utf-8")
            lines["Content-Type"] = "application/json"
        connection = open_connection(self._address, _TIMEOUT)
        try:
            target = path if path.startswith("/") else f"/admin/v1/{path}"
            connection.request(method, f"{self._address.prefix}{target}", body, lines)
            with connection.getresponse() as response:
                headers = {name.lower(): line for name, line in response.getheaders()}
                return Reply(response.status, headers, response.read(_MOST))
        except http.client.HTTPException as error:
            raise NotAdministeredError(f"{self._name} is not an admin process ({type(error).__name__}).") from None
        except OSError as error:
            raise NotAdministeredError(f"{self._name} can't be asked: {error.strerror or error}.") from None
        except UnicodeError:
            raise NotAdministeredError(f"{self._name} can't be asked: it has no valid host.") from None
        finally:
            connection.close()

    def get(self, path: str, *members: str) -> tuple[Any, Reply]:
        """Read something, as JSON types; arguments as for `send` and `told`.

        Raises:
            NotAdministeredError: It is not given.
        """
        reply = self.send("GET", path)
        if not reply.is_ok:
            raise self.refusal(reply)
        return self.told(reply, *members), reply

    def told(self, reply: Reply, *members: str) -> Any:
        """Read what a reply says, as JSON types.

        Args:
            reply: The reply, which is not an error.
            members: What an admin process has in it.

        Raises:
            NotAdministeredError: It says something else.
        """
        try:
            value = json.loads(reply.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or not value.keys() >= set(members):
            raise NotAdministeredError(f"{self._name} is not an admin process.")
        return value

    def refusal(self, reply: Reply) -> NotAdministeredError:
        """What a reply that is an error means, with every mistake."""
        lines = [f"{self._name} answers with {reply.why}"]
        try:
            mistakes = json.loads(reply.body).get("mistakes", ())
        except (ValueError, AttributeError):
            mistakes = ()
        for one in mistakes:
            place = f"{one['path']}: " if one["path"] else ""
            lines.append(f"{place}{one['message']}{' ' + one['hint'] if one['hint'] else ''} [{one['code']}]")
        return NotAdministeredError("\n".join(lines))
