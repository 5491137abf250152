"""Tests of what pip installs: the plugin, the command, the data files; from a directory, and editable."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemons import ANY_PORT, Service, allows

ROOT = Path(__file__).parents[2]
BUILD_FILES = ("pyproject.toml", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE")


class Installed:
    """A virtual environment with the project in it.

    Attributes:
        directory: Where neither the project nor the environment is, to run commands in.
        editable: Whether what was installed leads to the sources.
    """

    def __init__(self, base: Path, *, editable: bool) -> None:
        self.editable = editable
        self.directory = base / "elsewhere"
        self.directory.mkdir()
        self._bin = base / "venv" / "bin"
        source = base / "source"
        copy_sources(source)
        subprocess.run([sys.executable, "-m", "venv", base / "venv"], check=True)
        pip = [str(self._bin / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        requirement = f"{source}[regex]"
        done = subprocess.run(
            [*pip, *(["--editable"] if editable else []), requirement], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

    def command(self, name: str) -> str:
        """The path of a command of the environment."""
        return str(self._bin / name)

    def run(self, *words: str | Path) -> str:
        """Run a command of the environment, and give what it prints."""
        name, *arguments = words
        done = subprocess.run(
            [self._bin / name, *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


def copy_sources(target: Path) -> None:
    """Copy the files that are part of the project, so that nothing that is built is left in its directory."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        names = [name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]
    else:  # what was unpacked from an archive is nothing but the project
        parts = [ROOT / part for part in ("cors_service", "twisted", "etc")]
        files = [path for part in parts for path in part.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        names = [str(path.relative_to(ROOT)) for path in files]
        names += [name for name in BUILD_FILES if (ROOT / name).exists()]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)


@pytest.fixture(scope="module", params=[False, True], ids=["pip install", "pip install -e"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Give an environment with the project in it; it is removed behind the tests."""
    base = tmp_path_factory.mktemp("install")
    try:
        yield Installed(base, editable=request.param)
    finally:
        shutil.rmtree(base)


@pytest.mark.parametrize("command", ["twist", "twistd"])
def test_plugin_is_listed(installed: Installed, command: str) -> None:
    """Both commands of Twisted list the plugin, once, and say what it is for."""
    lines = installed.run(command, "--help").splitlines()
    [line] = [line for line in lines if line.split()[:1] == ["cors"]]
    assert "CORS" in line


def test_command(installed: Installed) -> None:
    """The command is there, and finds no mistakes in the example, which uses regular expressions."""
    assert installed.run("cors-service", "check", ROOT / "etc" / "policies.toml").endswith(", no mistakes.\n")


@pytest.mark.parametrize(
    ("package", "name"),
    [("cors_service.policy", "schema.json"), ("cors_service.web", "openapi.json"), ("cors_service", "py.typed")],
)
def test_data_files(installed: Installed, package: str, name: str) -> None:
    """The files that are no programs are there, and are what they were."""
    program = f"import importlib.resources as r; print(r.files({package!r}).joinpath({name!r}).read_text(), end='')"
    original = ROOT.joinpath(*package.split("."), name).read_text(encoding="utf-8")
    assert original == installed.run("python", "-c", program)


def test_nothing_else(installed: Installed) -> None:
    """Nothing is on the path but the package and the plugin: no tests, no benchmarks."""
    if installed.editable:
        pytest.skip("the path leads to the whole directory")
    program = "import importlib.util as u, json; print(json.dumps([n for n in {} if u.find_spec(n)]))"
    names = ["cors_service", "twisted.plugins.cors_service_plugin", "tests", "benchmarks", "docs", "etc", "naive"]
    found = json.loads(installed.run("python", "-I", "-c", program.format(names)))
    assert found == ["cors_service", "twisted.plugins.cors_service_plugin"]


def test_metadata(installed: Installed) -> None:
    """What is installed has a version, a licence and its reasons to depend on others."""
    program = "import importlib.metadata as m, cors_service as c; print(m.version('cors-service') == c.__version__)"
    assert installed.run("python", "-c", program) == "True\n"


@pytest.mark.parametrize("first", ["--reactor=asyncio", "--log-format=text"])
def test_serves(installed: Installed, first: str) -> None:
    """It serves and decides; also by a reactor that nothing may have been imported before."""
    words = [installed.command("twist"), first, *(["--log-format=text"] if "reactor" in first else []), "cors"]
    words += ["--policies", str(ROOT / "etc" / "policies.toml"), "--listen", ANY_PORT]
    service = Service(words, installed.directory)
    try:
        assert (
            allows(service.port, "app", "https://app.example.com"),
            allows(service.port, "app", "https://app.example.com.evil.example"),
        ) == (True, False)
        assert allows(service.port, "app", "https://pr-17.builds.example.com")
        service.stop()
        assert service.err == []
    finally:
        service.kill()
