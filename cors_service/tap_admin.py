"""`twist cors-admin` and `twistd cors-admin`: the options, and the service that they ask for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.application.service import IService

from cors_service.daemon.admin_settings import DEFAULT_LISTEN, AdminSettings
from cors_service.daemon.options import PluginOptions, number
from cors_service.daemon.tls import any_secure, imports
from cors_service.wire.answers import LONGEST_TTL

if TYPE_CHECKING:
    from cors_service.daemon.admin import AdminPrepared

_DEFAULTS = AdminSettings(store="", data="")


class Options(PluginOptions):
    """The options of the plugin.

    Attributes:
        prepared: What the service is made of, once the options are parsed.
    """

    plugin = "cors-admin"
    reads = ("store", "data", "auth")
    writes = ("access-log", "json-log")
    prepared: AdminPrepared
    synopsis = "[options] --store DIR|URL --data DIR"
    longdesc = (
        "Changes CORS policies over HTTP, and keeps a ledger of all changes. The store is what `twist cors --policies` "
        "serves: a directory of documents, with the ledger beside them, or the URL of a database. It listens on "
        f"{DEFAULT_LISTEN} unless told otherwise. Ask it with: curl http://127.0.0.1:8081/admin/v1/status"
    )
    optParameters: ClassVar[list[list[Any]]] = [
        ["store", "s", None, "The directory of *.toml and *.json documents, or the URL of a store."],
        ["data", "d", None, "A directory for its own files: reports of replicas, proposals, the audit log."],
        [
            "auth",
            None,
            None,
            "A TOML document that says who may do what, by token or certificate. Required to listen on a network.",
        ],
        [
            "sign-in-header",
            None,
            None,
            "The header in which a proxy names whom it has signed in, such as X-Forwarded-User; --auth lists people.",
        ],
        number(
            "decision-ttl",
            int,
            _DEFAULTS.decision_ttl,
            0,
            "Seconds for which callers may use a decision again: the value that the services have.",
            LONGEST_TTL,
        ),
        number("max-body", int, _DEFAULTS.max_body, 1, "Bytes that the body of a request may have."),
        number(
            "drain-timeout",
            float,
            _DEFAULTS.drain_timeout,
            0,
            "Seconds that requests in flight have to end after SIGTERM.",
        ),
        ["access-log", None, None, "A file for a line on each request, - for the log. Off by default."],
        ["json-log", None, None, "A file for the log as JSON, an object a line, - for standard output."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["host"] = []
        self["sign-in-proxy"] = []

    def opt_listen(self, description: str) -> None:
        """Listen on this endpoint, such as tcp:8081:interface=127.0.0.1 or unix:/run/cors-admin.sock; repeatable."""
        self["listen"].append(description)

    opt_l = opt_listen

    def opt_host(self, name: str) -> None:
        """Answer to this name, such as cors-admin.internal, and to loopback names; repeatable."""
        self["host"].append(name)

    def opt_sign_in_proxy(self, address: str) -> None:
        """Believe --sign-in-header from this address or network, such as 10.0.0.7, or unix for sockets; repeatable."""
        self["sign-in-proxy"].append(address)

    def settings(self) -> AdminSettings:
        """The settings that the options make.

        Raises:
            UsageError: With a line for each mistake.
        """
        self.refuse_mistakes()
        values = {name.replace("-", "_"): value for name, value in self.items()}
        lists = {
            "listen": tuple(self["listen"]) or _DEFAULTS.listen,
            "host": tuple(self["host"]),
            "sign_in_proxy": tuple(self["sign-in-proxy"]),
        }
        return AdminSettings(**(values | lists))

    def mistakes(self) -> Iterator[str]:
        """Give what is wrong with options that go with others, in sentences."""
        if self["store"] is None:
            yield "--store is missing: name the directory of the policies, or the URL of a store."
        if self["data"] is None:
            yield "--data is missing: name a directory for what the process keeps."

    def postOptions(self) -> None:
        """Find whatever is wrong while it can still be reported as one line, and not as a traceback."""
        settings = self.settings()
        # Imported late: the command line chooses the reactor, and whether there is TLS.
        with imports(with_tls=any_secure(settings.listen)):
            from twisted.internet import reactor

            from cors_service._twisted import log_as_text
            from cors_service.daemon import admin
        if self.parent is not None:
            log_as_text(self.parent, sys.argv)
        self.prepared = admin.prepare(settings, reactor)


def makeService(options: Options) -> IService:
    """Make the service that the options ask for.

    Args:
        options: Parsed.

    Returns:
        A service that changes policies, and listens.
    """
    from twisted.internet import reactor

    from cors_service.daemon.admin import make_service
    from cors_service.daemon.clock import keep_timers
    from cors_service.daemon.ending import Ending

    keep_timers(reactor)
    Ending(reactor, options.prepared.settings.drain_timeout)
    return make_service(options.prepared, reactor)
