"""Caddy: `reverse_proxy` in its long form, which can copy headers onto the client's answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.gateways.gateway import Cannot, Gateway


def command(programs: Sequence[str], configuration: Path, current: Path) -> Sequence[str]:
    """As the head of the Caddyfile says, but with another home: it writes down which configuration was the last."""
    [caddy] = programs
    homes = [f"{name}={current}" for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")]
    return ["/usr/bin/env", *homes, caddy, "run", "--config", str(configuration / "Caddyfile")]


GATEWAY: Final = Gateway(
    name="caddy",
    title="Caddy",
    programs=("caddy",),
    command=command,
    forms=(":{port}",),
    patient={
        "lb_try_duration 350ms": "lb_try_duration 1950ms",
        "dial_timeout 200ms": "dial_timeout 1s",
        "response_header_timeout 200ms": "response_header_timeout 1s",
    },
    undecided={"import cors_decide catalogue": "# no decision"},
    cannot={
        "allowed_with_many_headers": Cannot(
            r"== \{\}",
            "Caddy 2.6 can't drop all of a client's headers, only those that its configuration names. It serves the"
            " request without CORS headers. From 2.7 on, `header_up -*` drops all, as a comment there says.",
        ),
    },
)
