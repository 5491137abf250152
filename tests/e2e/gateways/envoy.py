"""Envoy: `ext_authz`, by HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.gateways.gateway import Gateway


def command(programs: Sequence[str], configuration: Path, current: Path) -> Sequence[str]:
    """As the head of envoy.yaml says, but so that there can be several, and without a thread for each processor."""
    [envoy] = programs
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
    return [envoy, "-c", str(configuration / "envoy.yaml"), *options]


_FILTER: Final = "- name: envoy.filters.http.ext_authz\n"

GATEWAY: Final = Gateway(
    name="envoy",
    title="Envoy",
    programs=("envoy",),
    command=command,
    forms=("port_value: {port}",),
    patient={
        "timeout: 0.5s": "timeout: 2.5s",
        " timeout: 0.4s": " timeout: 2s",
        "per_try_timeout: 0.2s": "per_try_timeout: 1s",
        "connect_timeout: 0.2s": "connect_timeout: 1s",
    },
    undecided={_FILTER: f"{_FILTER}{' ' * 20}disabled: true\n"},
    knows_vary=False,
)
