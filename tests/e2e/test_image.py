"""Tests of etc/Containerfile without a container engine: its commands are run as nobody, where all is read-only.

What is left to an engine: the base image, the copy from one stage to the other, and how often it asks for health.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.e2e.confined import NOBODY, can_confine
from tests.e2e.confined import command as confined
from tests.e2e.daemons import Process, allows, wait_for
from tests.e2e.test_install import copy_sources
from tests.store.store_texts import toml
from tests.test_locks import IMAGE, applies, locked, name_of

ROOT = Path(__file__).parents[2]
INSTALLED, SOURCES = "/opt/cors-service", "/src"


class Instruction(NamedTuple):
    """A line of a Containerfile."""

    word: str
    rest: str


def instructions() -> list[Instruction]:
    """The lines of the Containerfile."""
    text = (ROOT / "etc" / "Containerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in lines if line]


def last_stage() -> dict[str, str]:
    """What the image is, by the words of its last stage."""
    found: dict[str, str] = {}
    for word, rest in instructions():
        found = {} if word == "FROM" else found | {word: rest}
    return found


def variables() -> dict[str, str]:
    """The environment of the image."""
    return dict(pair.split("=", 1) for pair in last_stage()["ENV"].split())


def run_here(words: list[str], places: dict[str, Path]) -> None:
    """Run a command of the build, with directories of the machine in place of those of the image."""
    for place, here in places.items():
        words = [word.replace(place, str(here)) if word.startswith(place) else word for word in words]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the directory that the build installs into; it is removed behind the tests."""
    base = tmp_path_factory.mktemp("image")
    copy_sources(base / "src")
    try:
        for word, rest in instructions():
            if word == "RUN":
                run_here(json.loads(rest), {SOURCES: base / "src", INSTALLED: base / "installed"})
        # An engine copies it to where nobody can read it.
        for parent in (base, base / "installed"):
            parent.chmod(0o755)
        shutil.rmtree(base / "src")
        yield base / "installed"
    finally:
        shutil.rmtree(base)


Run = Callable[..., Process]


@pytest.fixture
def run(image: Path, tmp_path: Path) -> Iterator[Run]:
    """Give a function that runs a command of the image as nobody, where nothing can be written."""
    processes: list[Process] = []
    tmp_path.chmod(0o755)

    def begin(words: list[str], *, writable: list[Path] | None = None, **more: str) -> Process:
        here = [word.replace(INSTALLED, str(image)) for word in words]
        environment = ["env", *(f"{name}={value}" for name, value in (variables() | more).items())]
        readable = [image, tmp_path / "policies"]
        processes.append(
            Process(
                [*environment, *confined(here, readable=readable, writable=writable or [], temporary=False)], tmp_path
            )
        )
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Give a directory with a document in it."""
    directory = tmp_path / "policies"
    directory.mkdir()
    (directory / "one.toml").write_text(toml("one"))
    return directory


def entry(*arguments: str) -> list[str]:
    """What the engine runs."""
    words: list[str] = json.loads(last_stage()["ENTRYPOINT"])
    return [*words, *(arguments or json.loads(last_stage()["CMD"]))]


def health() -> list[str]:
    """The command that says whether a container is well."""
    words: list[str] = json.loads(last_stage()["HEALTHCHECK"].partition("CMD ")[2])
    return words


def test_who_runs_it() -> None:
    """The image runs as nobody, who is named by number, and names no other address than that of its health."""
    stage = last_stage()
    assert stage["USER"] == f"{NOBODY}:{NOBODY}"
    assert not any("--listen=" in word and word != "--listen=" for word in entry())
    assert variables()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_nothing_that_installs(image: Path) -> None:
    """What installs packages is not in the image, and neither is what the sources have beside the service."""
    program = "import importlib.util as u, json; print(json.dumps([n for n in {} if u.find_spec(n)]))"
    names = ["cors_service", "re2", "OpenSSL", "pip", "setuptools", "tests", "hypothesis"]
    done = subprocess.run(
        [image / "bin" / "python", "-I", "-c", program.format(names)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == ["cors_service", "re2", "OpenSSL"]


needs_confinement = pytest.mark.skipif(not can_confine(), reason="only root can confine another process")


@needs_confinement
def test_needs_an_address(run: Run, policies: Path) -> None:
    """Without an address to listen on, it does not start, and says what to write."""
    process = run([*entry(), f"--policies={policies}"])
    assert process.ends() > 0
    assert any("--listen" in line and "tcp:8080" in line for line in process.out + process.err)


@needs_confinement
@pytest.mark.parametrize("workers", ["1", "2"])
def test_serves(run: Run, policies: Path, workers: str) -> None:
    """As nobody, where nothing can be written, it serves, follows its documents and stops; its health is that of
    /readyz.
    """
    process = run(entry("--listen=tcp:0:interface=127.0.0.1", f"--policies={policies}", f"--workers={workers}"))
    port = int(process.said(r"Listening on IPv4Address\(.*port=(\d+)\)")[1])
    assert allows(port, "one", "https://one.example")
    (policies / "two.toml").write_text(toml("two"))
    process.said("is active: 2 policies")
    assert allows(port, "two", "https://two.example")

    address = {"READYZ": f"http://127.0.0.1:{port}/readyz"}
    well = run(health(), **address, http_proxy="http://127.0.0.1:9")
    assert (well.ends(), well.err) == (0, [])
    assert process.stop() == -signal.SIGTERM
    assert run(health(), **address).ends() != 0
    # All that it says is JSON, and none of it is an error.
    assert process.err == []
    assert {json.loads(line)["level"] for line in process.out} <= {"info", "debug"}


@needs_confinement
def test_writes_where_it_is_told(run: Run, policies: Path, tmp_path: Path) -> None:
    """A snapshot is kept where there is a volume for it."""
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, NOBODY, NOBODY)
    listen = "--listen=tcp:0:interface=127.0.0.1"
    process = run(entry(listen, f"--policies={policies}", f"--snapshot={state / 'policies.json'}"), writable=[state])
    process.said(r"Listening on IPv4Address")
    wait_for((state / "policies.json").exists, "the snapshot")
    assert process.stop() == -signal.SIGTERM


@needs_confinement
def test_admin(run: Run, policies: Path, tmp_path: Path) -> None:
    """The admin process is in the image, too, and so is whatever speaks to a store or checks a signature."""
    data = tmp_path / "data"
    data.mkdir()
    for path in (data, policies):
        os.chown(path, NOBODY, NOBODY)
    twist = entry()[0]
    words = [twist, "--log-file=/dev/null", "cors-admin", "--json-log=-", f"--store={policies}", f"--data={data}"]
    process = run([*words, "--listen=tcp:0:interface=127.0.0.1"], writable=[data, policies])
    process.said(r"Listening on IPv4Address")
    assert process.stop() == -signal.SIGTERM
    assert process.err == []
    needed = ["cors_service.postgresql", "cors_service.etcd", "cors_service.bundle.keys"]
    python = [str(Path(twist).with_name("python")), "-I", "-c", f"import {', '.join(needed)}"]
    imported = run(python)
    assert (imported.ends(), imported.err) == (0, [])


# What is in it.


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give what `make sbom` writes, out of a copy of the project."""
    base = tmp_path_factory.mktemp("sbom")
    copy_sources(base)
    # The environment of the tests is there, whatever its age.
    words = ["make", "--silent", "sbom", f"VENV={sys.prefix}", f"--old-file={sys.prefix}/test"]
    done = subprocess.run(words, cwd=base, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (base / "build" / "sbom.json").read_text(encoding="utf-8")
    shutil.rmtree(base)
    return text


def test_bill_is_valid(bill: str) -> None:
    """The bill of materials is what the schema of CycloneDX says, to the letter."""
    assert JsonStrictValidator(SchemaVersion.from_version(json.loads(bill)["specVersion"])).validate_str(bill) is None


def test_bill_is_complete(bill: str) -> None:
    """It lists the service and what is locked for it, each in its version, with what needs what; and no place of the
    machine where it was made.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    pins = {(name_of(pin), next(iter(pin.specifier)).version) for pin, _ in locked(IMAGE) if applies(pin, python)}
    parsed = json.loads(bill)
    found = {(re.sub(r"[-_.]+", "-", each["name"]).lower(), each["version"]) for each in parsed["components"]}
    [service] = [each for each in parsed["components"] if each["name"] == "cors-service"]
    assert found - {("cors-service", service["version"])} == {pin for pin in pins if pin[0] != "setuptools"}
    [needs] = [each for each in parsed["dependencies"] if each["ref"] == service["bom-ref"]]
    assert any(need.lower().startswith("twisted") for need in needs["dependsOn"])
    assert "file:" not in bill
