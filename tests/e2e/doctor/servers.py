"""Starts the servers: one nginx, one Apache httpd, one Express, one Flask."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

from tests.answering import free_port
from tests.e2e.browser.application import HARNESS
from tests.e2e.browser.processes import running
from tests.e2e.daemons import wait_for
from tests.e2e.frameworks import express, flask
from tests.e2e.frameworks.framework import built
from tests.e2e.gateways import apache
from tests.e2e.gateways.gateway import accepts
from tests.e2e.requirements import need

APPLICATIONS: Final = Path(__file__).with_name("applications")


class Servers(NamedTuple):
    """The running servers.

    Attributes:
        page: The origin of the page that they allow; it has the tests' script at `/_page`.
        ports: Their ports, by their names.
    """

    page: str
    ports: dict[str, int]


@contextmanager
def running_servers(directory: Path) -> Iterator[Servers]:
    """Run all of them until the block ends.

    Args:
        directory: Where logs and configurations may lie; empty.
    """
    nginx, httpd = need("nginx", "apache2")
    [node, *_], modules = built(express.FRAMEWORK)
    _, environment = built(flask.FRAMEWORK)
    ports = {name: free_port() for name in ("page", "nginx", "apache", "express", "flask")}
    page = f"http://app.localhost:{ports['page']}"
    variables = {"PAGE": page, "NODE_PATH": str(modules / "node_modules")}
    fields = {**{name: str(port) for name, port in ports.items()}, "origin": page, "directory": str(directory)}
    fields |= {"pattern": re.escape(page), "user": getpass.getuser()}
    (directory / "_page").write_text(f"<!doctype html><body><script>{HARNESS.read_text()}</script></body>")
    for name in ("nginx.conf", "httpd.conf", "passwords"):
        text = (APPLICATIONS / name).read_text(encoding="utf-8")
        (directory / name).write_text(_filled(text, fields), encoding="utf-8")
    python = str(environment / "environment/bin/python")
    commands = {
        "nginx": [nginx, "-e", "stderr", "-p", str(directory), "-c", str(directory / "nginx.conf")],
        "apache": apache.command((httpd, ""), directory, directory),
        "express": [node, str(APPLICATIONS / "defects.cjs")],
        "flask": [python, str(APPLICATIONS / "defects.py")],
    }
    for plant in re.findall(r"<Location /([a-z-]+)/>", (directory / "httpd.conf").read_text()):
        (directory / "files" / plant).mkdir(parents=True)
        (directory / "files" / plant / "x").write_text("{}")
    with ExitStack() as stack:
        for name, command in commands.items():
            port = {"PORT": str(ports[name])}
            process = stack.enter_context(running(command, directory / f"{name}.log", variables | port))
            wait_for(lambda process=process, name=name: process.alive() and accepts(ports[name]), name)  # type: ignore[misc]
        yield Servers(page, ports)


class _Template(Template):
    """Both servers write their own variables with `$` and with `%`."""

    delimiter = "@"


def _filled(text: str, fields: dict[str, str]) -> str:
    return _Template(text).safe_substitute(fields)
