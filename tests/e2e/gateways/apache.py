"""Apache httpd: a hook in Lua, since no module of it asks an HTTP service for a decision."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.gateways.gateway import Gateway

# What root starts changes to a user who may not read a test's directories. So it starts as that user, who may.
_USER: Final = ["--reuid=www-data", "--regid=www-data", "--clear-groups"]
_ABILITIES: Final = [f"--{kind}-caps=+dac_override" for kind in ("inh", "ambient")]
_AS_USER: Final = ["setpriv", "--pdeathsig", "TERM", *_USER, *_ABILITIES, "--"] if os.geteuid() == 0 else []


def command(programs: Sequence[str], configuration: Path, current: Path) -> Sequence[str]:
    """As the head of httpd.conf says."""
    apache2, _ = programs
    directories = [f"APACHE_CONFDIR={configuration}", f"APACHE_RUN_DIR={current}"]
    options = ["-f", str(configuration / "httpd.conf"), "-D", "FOREGROUND"]
    return [*_AS_USER, "/usr/bin/env", *directories, apache2, *options]


GATEWAY: Final = Gateway(
    name="apache",
    title="Apache httpd",
    programs=("apache2", "/usr/share/lua/5.3/socket.lua"),
    command=command,
    patient={"SECONDS = 0.2": "SECONDS = 1"},
    undecided={"LuaHookAccessChecker": "# LuaHookAccessChecker"},
)
