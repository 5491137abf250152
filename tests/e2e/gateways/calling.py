"""Web servers that call an application by CGI, FastCGI, SCGI, uwsgi or gRPC, not by HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, NamedTuple

from tests.e2e.daemons import Process
from tests.e2e.gateways import apache, nginx
from tests.e2e.gateways.application import OWN_HEADERS
from tests.e2e.gateways.gateway import BOUND, Gateway, running
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import Lines

PROGRAM: Final = Path(__file__).with_name("called_application.py")


class Way(NamedTuple):
    """How a web server calls an application.

    Attributes:
        gateway: The web server.
        protocol: What it speaks.
        call: The lines of Apache's configuration that do so, with `{place}` for the port of the application, or for the
            path of the script; by default a line for the whole site.
    """

    gateway: Gateway
    protocol: str
    call: str = ""

    @property
    def name(self) -> str:
        """What it is called in the tests."""
        return f"{self.gateway.name}-{self.protocol}"

    def changes(self, place: int | Path) -> dict[str, str]:
        """What to write into the configuration in the place of other texts.

        Args:
            place: The port of the application, or the path of the script.
        """
        if self.gateway is nginx.GATEWAY:
            return {PROXIED: f"{self.protocol}_pass 127.0.0.1:{place};{_parameters(self.protocol)}"}
        module, call = _APACHE[self.protocol]
        loaded = modules("alias", "dir", "rewrite", module)
        return {LAST_MODULE: f"{LAST_MODULE}{loaded}", PASSED: (self.call or call).format(place=place)}


_APACHE: Final = {
    "cgi": ("cgid", "ScriptAliasMatch ^ {place}"),
    "fastcgi": ("proxy_fcgi", "ProxyPass / fcgi://127.0.0.1:{place}/"),
    "scgi": ("proxy_scgi", "ProxyPass / scgi://127.0.0.1:{place}/"),
    "uwsgi": ("proxy_uwsgi", "ProxyPass / uwsgi://127.0.0.1:{place}/"),
}
"""The module that speaks each protocol, and the line that calls an application."""

PROXIED: Final = "proxy_pass http://127.0.0.1:3000;"
"""How nginx.conf calls the application."""
PASSED: Final = "ProxyPass / http://127.0.0.1:3000/ nocanon"
"""How httpd.conf does."""
LAST_MODULE: Final = "LoadModule setenvif_module /usr/lib/apache2/modules/mod_setenvif.so\n"
"""The line of httpd.conf behind which others may be."""

WAYS: Final = (
    *(Way(apache.GATEWAY, protocol) for protocol in ("cgi", "fastcgi", "scgi", "uwsgi")),
    *(Way(nginx.GATEWAY, protocol) for protocol in ("fastcgi", "scgi", "uwsgi", "grpc")),
)


def modules(*names: str) -> str:
    """The lines of httpd.conf that load modules."""
    return "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in names)


def _parameters(protocol: str) -> str:
    """What nginx passes on only if told to; gRPC has it all."""
    names = () if protocol == "grpc" else ("REQUEST_URI", "REQUEST_METHOD", "CONTENT_LENGTH", "CONTENT_TYPE")
    return "".join(f" {protocol}_param {name} ${name.lower()};" for name in names)


def _script(directory: Path, lines: str) -> Path:
    script = directory / "application.cgi"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -IS {PROGRAM} cgi '{lines}'\n", encoding="utf-8")
    script.chmod(0o755)
    return script


@contextmanager
def _listening(protocol: str, directory: Path, lines: str) -> Iterator[int]:
    process = Process([*BOUND, sys.executable, "-IS", str(PROGRAM), protocol, lines], directory)
    try:
        yield int(process.said(r"port (\d+)")[1])
    finally:
        process.kill()


@contextmanager
def called(way: Way, world: World, directory: Path, further: Lines = ()) -> Iterator[GatewaySubject]:
    """Run a web server that calls the application in such a way, until the block ends.

    Args:
        way: The way.
        world: Has the decision service.
        directory: Where to put what it needs; empty.
        further: What the application answers beside `OWN_HEADERS`.
    """
    lines = json.dumps([*OWN_HEADERS, *further])
    server = directory / "server"
    server.mkdir()
    by_script = way.protocol == "cgi"
    with nullcontext(_script(directory, lines)) if by_script else _listening(way.protocol, directory, lines) as place:
        service, second = world.switch.port, world.second.port
        with running(way.gateway, server, world.application, service, way.changes(place), second=second) as port:
            yield GatewaySubject(port, world.switch, world.second)
