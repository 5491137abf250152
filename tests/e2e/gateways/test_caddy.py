"""What only Caddy does: it drops a client's headers by their names."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.gateways.caddy import GATEWAY
from tests.e2e.gateways.gateway import running
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import PARTNER, PATH, assert_served


def test_long_headers(world: World, tmp_path: Path) -> None:
    """Those that browsers send are not passed on to the service, and so may be longer than what it reads."""
    lines = [
        ("Origin", PARTNER),
        ("Cookie", f"session={'1' * 7000}"),
        ("Authorization", f"Bearer {'1' * 5000}"),
        ("Referer", f"{PARTNER}/{'1' * 3000}"),
    ]
    with running(GATEWAY, tmp_path, world.application, world.switch.port) as port:
        assert_served(GatewaySubject(port, world.switch).ask("GET", PATH, lines), PARTNER)
