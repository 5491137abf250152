"""What only Apache does: it refuses by itself, and asks from Lua."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.gateways.apache import GATEWAY
from tests.e2e.gateways.gateway import running
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, State

REFUSING = "    AllowEncodedSlashes NoDecode\n"


def test_own_refusals(world: World, tmp_path: Path) -> None:
    """It asks before it refuses, so that pages can read that they were refused."""
    locked = {REFUSING: f"{REFUSING}    <Location />\nRequire all denied\n    </Location>\n"}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, locked) as port:
        subject = GatewaySubject(port, world.switch)
        answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
        assert (answer.status, answer.is_of_application, DECIDED[PARTNER]) == (403, False, answer.cors)
        with subject.service(State.DOWN):
            answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
            assert (answer.status, answer.cors, answer.vary) == (403, {}, ["origin"])


def test_no_policy(world: World, tmp_path: Path) -> None:
    """A virtual host that names no policy is not asked about, and its application's headers are gone all the same."""
    silent = {"    SetEnvIf Request_URI ^ CORS_POLICY=catalogue\n": ""}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, silent) as port:
        answer = GatewaySubject(port, world.switch).ask("GET", PATH, [("Origin", PARTNER)])
    assert (answer.status, answer.cors) == (200, {})
