"""nginx: `auth_request`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.gateways.gateway import Cannot, Gateway


def command(programs: Sequence[str], configuration: Path, current: Path) -> Sequence[str]:
    """As the head of nginx.conf says."""
    [nginx] = programs
    return [nginx, "-e", "stderr", "-p", str(current), "-c", str(configuration / "nginx.conf")]


GATEWAY: Final = Gateway(
    name="nginx",
    title="nginx",
    programs=("nginx",),
    command=command,
    patient={"200ms": "1s", "400ms": "2s"},
    undecided={"auth_request /.cors;": "auth_request off;"},
    cannot={
        "long_body": Cannot(
            "without the headers",
            "nginx checks `client_max_body_size` (1 MiB by default) before it asks. Set it to 0, and let the"
            " application enforce the limit.",
        )
    },
)
