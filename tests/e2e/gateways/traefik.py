"""Traefik: preflights go to the service, and its configuration lists the grants for actual requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.gateways.gateway import Cannot, Gateway


def command(programs: Sequence[str], configuration: Path, current: Path) -> Sequence[str]:
    """As the head of traefik.yaml says."""
    [traefik] = programs
    return ["/usr/bin/env", f"--chdir={configuration}", traefik, "--configFile=traefik.yaml"]


_STATIC: Final = Cannot(
    r"(?s)\(200, True, .*'access-control-allow-origin': 'https://partner\.example'",
    "the configuration lists the grants, and they hold until they are removed from it, which needs no restart. The site"
    " works, and preflights fail.",
)

GATEWAY: Final = Gateway(
    name="traefik",
    title="Traefik",
    programs=("traefik",),
    command=command,
    ports={"asking": 8001},
    patient={"Timeout: 200ms": "Timeout: 1s"},
    undecided={"[cors-1, ": "[", "[cors-2, ": "["},
    knows_vary=False,
    asks=False,
    cannot={
        "service_is_down": _STATIC,
        "service_is_unreachable": _STATIC,
        "service_is_slow": _STATIC,
        "service_answers_garbage": _STATIC,
        "service_breaks_off": _STATIC,
        "service_answers_errors": _STATIC,
        "repeated_origin": Cannot(
            r"\{'access-control-allow-credentials': 'true', 'access-control-expose-headers': 'etag, x-request-id'",
            "harmless: without `Access-Control-Allow-Origin`, the other headers grant nothing.",
        ),
        "odd_paths_are_kept": Cannot(
            r"'/catalogue/%2e%2e/prices/1' == '/catalogue/\.\./prices/1'",
            "Traefik decodes what need not be encoded. The application should treat both forms alike.",
        ),
    },
)
