"""What a gateway is to these tests, and how its configuration is started on free ports."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tests.answering import free_port
from tests.e2e.daemons import Process, wait_for
from tests.e2e.requirements import need

ETC: Final = Path(__file__).parents[3] / "etc"

PORTS: Final = {"gateway": 8000, "application": 3000, "service": 8080, "second": 8081}
"""The ports that are written in every configuration."""

PATIENCE: Final = 1.0
"""Seconds that a patient gateway waits for an instance, in place of 0.2."""

# A child outlives its parent unless it asks not to: a test run that is killed can't clean up. Masters end workers.
BOUND: Final[list[str]] = [path, "--pdeathsig", "TERM", "--"] if (path := shutil.which("setpriv")) else []


class Cannot(NamedTuple):
    """What a gateway can't do.

    Attributes:
        instead: A regular expression that the message of the scenario's failed assertion matches.
        way_round: What to do about it, for the document.
    """

    instead: str
    way_round: str


@dataclass(frozen=True)
class Gateway:
    """A gateway or web server.

    Attributes:
        name: That of its folder below etc/.
        title: What it is called in documents.
        programs: What it takes to run it, by the names in requirements.py.
        command: Gives the command that runs it in the foreground. It takes the paths of the programs, the folder with
            its configuration, and an empty directory that is the current one and to which it may write.
        forms: How ports are written in the configuration.
        ports: Further ports that are written there, by names of any kind.
        undecided: Texts of the configuration, and what to write in their place to have everything but the decision
            about actual requests; for benchmarks.
        patient: Texts that limit the wait for an instance of the service, and what to write in their place to have it
            last for `PATIENCE`; so that an instance that is slow because the machine is busy is not taken for one that
            does not answer.
        keeps_connections: Whether it asks the service over connections that are kept alive.
        asks: Whether it asks about actual requests; otherwise what they are granted is written into its configuration.
        knows_vary: Whether it leaves `Vary: Origin` out where the decision does.
        cannot: What it can't do, by the names of scenarios.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    command: Callable[[Sequence[str], Path, Path], Sequence[str]]
    forms: tuple[str, ...] = ("127.0.0.1:{port}",)
    ports: Mapping[str, int] = field(default_factory=dict)
    undecided: Mapping[str, str] = field(default_factory=dict)
    patient: Mapping[str, str] = field(default_factory=dict)
    keeps_connections: bool = True
    knows_vary: bool = True
    asks: bool = True
    cannot: Mapping[str, Cannot] = field(default_factory=dict)


def accepts(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def write_configuration(gateway: Gateway, target: Path, ports: Mapping[str, int], replaced: Mapping[str, str]) -> None:
    """Copy the folder of a gateway, with other ports.

    Args:
        gateway: The gateway.
        target: The folder to make.
        ports: The new ports; by the names in PORTS.
        replaced: Other texts, and what to write in their place.

    Raises:
        AssertionError: Something that is to be replaced is not there.
    """
    shutil.copytree(ETC / gateway.name, target)
    changes = dict(replaced)
    for role, old in {**PORTS, **gateway.ports}.items():
        for form in gateway.forms:
            changes[form.format(port=old)] = form.format(port=ports[role])
    pattern = re.compile("|".join(rf"{re.escape(old)}(?!\d)" for old in changes))
    found: set[str] = set()

    def new(match: re.Match[str]) -> str:
        found.add(match[0])
        return changes[match[0]]

    for path in [path for path in target.rglob("*") if path.is_file()]:
        # All at once, so that a new port that is like another's old one is left alone.
        path.write_text(pattern.sub(new, path.read_text(encoding="utf-8")), encoding="utf-8")
    assert changes.keys() == found, f"not in etc/{gateway.name}: {changes.keys() - found}"


def serves(port: int) -> bool:
    """Whether what listens on a port has read its configuration: until then Traefik says that nothing is found."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status != 404
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def running(
    gateway: Gateway,
    directory: Path,
    application: int,
    service: int,
    replaced: Mapping[str, str] | None = None,
    *,
    second: int | None = None,
) -> Iterator[int]:
    """Run a gateway until the block ends; skips or fails the test if it is not installed.

    Args:
        gateway: The gateway.
        directory: Where to put what it needs; empty.
        application: The port of the application.
        service: The port of the decision service.
        replaced: Texts of the configuration, and what to write in their place.
        second: The port of another instance of it; None for a port where nobody listens.

    Yields:
        The port on which it listens.
    """
    programs = need(*gateway.programs)
    ports = {role: free_port() for role in ("gateway", "second", *gateway.ports)}
    configuration, current = directory / "etc", directory / "run"
    current.mkdir()
    ports |= {"application": application, "service": service}
    if second is not None:
        ports["second"] = second
    write_configuration(gateway, configuration, ports, replaced or {})
    process = Process([*BOUND, *gateway.command(programs, configuration, current)], current)
    try:
        wait_for(lambda: serves(ports["gateway"]) or not process.is_alive, gateway.name)
        assert process.is_alive, f"{gateway.name} has ended: {process.out + process.err!r}"
        yield ports["gateway"]
    finally:
        process.kill()
