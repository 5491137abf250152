"""What a framework is to these tests, and how its example is built and started."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.answering import free_port
from tests.e2e.daemons import Process, wait_for
from tests.e2e.gateways.gateway import BOUND, Cannot, accepts
from tests.e2e.requirements import need

ROOT: Final = Path(__file__).parents[3]
EXAMPLES: Final = ROOT / "examples"
BUILDS: Final = ROOT / "build" / "frameworks"
APPLICATIONS: Final = Path(__file__).with_name("applications")

BUILD_TIMEOUT: Final = 900.0
"""Seconds for a build that has to fetch everything."""

_MADE: Final = {"__pycache__", "node_modules", "target"}
"""What is there if somebody has built an example in its place."""

Programs = Sequence[str]
Arguments = Sequence[str]


@dataclass(frozen=True)
class Framework:
    """A framework for web applications.

    Attributes:
        name: That of its folder below examples/ and below applications/.
        title: What it is called in documents.
        programs: What it takes to build and run it, by the names in requirements.py.
        build: Gives the commands that build it, to be run in the directory of the copy. It takes the paths of the
            programs.
        application: Gives the command that runs the application of the tests in the foreground; its process is the
            server, or ends it when it ends. It takes the paths of the programs and the directory that was built, which
            is the current one.
        example: The same for the application of the example.
        cannot: What it can't do, by the names of scenarios.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    build: Callable[[Programs], Sequence[Arguments]]
    application: Callable[[Programs, Path], Arguments]
    example: Callable[[Programs, Path], Arguments]
    cannot: Mapping[str, Cannot] = field(default_factory=dict)


def _sources(framework: Framework) -> list[tuple[Path, Path]]:
    """The files that a build is made of: where each is, and where it goes."""
    return [
        (path, path.relative_to(top))
        for top in (EXAMPLES / framework.name, APPLICATIONS / framework.name)
        for path in sorted(top.rglob("*"))
        if path.is_file() and not _MADE & {*path.relative_to(top).parts}
    ]


def built(framework: Framework) -> tuple[Programs, Path]:
    """Build a framework's example with the application of the tests, unless it was built from the same files before.

    Skips or fails the test if programs are missing.

    Returns:
        The paths of the programs, and the directory.
    """
    programs = need(*framework.programs)
    digest = hashlib.sha256(repr(programs).encode())
    for path, target in _sources(framework):
        digest.update(repr((str(target), path.read_bytes())).encode())
    directory = BUILDS / f"{framework.name}-{digest.hexdigest()[:16]}"
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / f".{framework.name}.lock").open("w") as lock:
        # Another process of this run may be building it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            _build(framework, programs, directory)
    return programs, directory


def _build(framework: Framework, programs: Programs, directory: Path) -> None:
    older = [path for path in BUILDS.glob(f"{framework.name}-*") if path != directory]
    # Under another name until it is whole: what breaks off is not taken for a build, nor what another run makes.
    with tempfile.TemporaryDirectory(dir=BUILDS, prefix=".", ignore_cleanup_errors=True) as temporary:
        place = Path(temporary) / "copy"
        for path, target in _sources(framework):
            (place / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / target)
        for command in framework.build(programs):
            done = subprocess.run(
                [*BOUND, *command],
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=BUILD_TIMEOUT,
                check=False,
            )
            assert done.returncode == 0, f"{command} in a copy of examples/{framework.name}: {done.stdout.decode()}"
        with suppress(OSError):  # another run was faster
            place.rename(directory)
    for path in older:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(framework: Framework, service: int, *, example: bool = False) -> Iterator[int]:
    """Run an application of a framework until the block ends; skips or fails the test if it can't be built.

    Args:
        framework: The framework.
        service: The port of the decision service.
        example: Whether to run the application of the example, and not that of the tests.

    Yields:
        The port on which it listens.
    """
    programs, directory = built(framework)
    port = free_port()
    command = (framework.example if example else framework.application)(programs, directory)
    environment = ["/usr/bin/env", f"PORT={port}", f"CORS_SERVICE=http://127.0.0.1:{service}"]
    process = Process([*BOUND, *environment, *command], directory)
    try:
        wait_for(lambda: accepts(port) or not process.is_alive, framework.name)
        assert process.is_alive, f"{framework.name} has ended: {process.out + process.err!r}"
        yield port
    finally:
        process.kill()
