"""HAProxy: an action in Lua that asks with the built-in HTTP client."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.gateways.gateway import Gateway


def command(programs: Sequence[str], configuration: Path, current: Path) -> Sequence[str]:
    """As the head of haproxy.cfg says."""
    [haproxy] = programs
    return [haproxy, "-db", "-C", str(configuration), "-f", "haproxy.cfg"]


GATEWAY: Final = Gateway(
    name="haproxy",
    title="HAProxy",
    programs=("haproxy",),
    command=command,
    ports={"asking": 8001},
    patient={"timeout connect 100ms": "timeout connect 1s", "timeout server 200ms": "timeout server 1s"},
    undecided={"http-request lua.cors-decide": "#"},
)
