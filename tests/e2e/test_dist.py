"""What `make dist` and `make wheelhouse` build: the same bytes each time, the right files, and it installs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.e2e.test_install import copy_sources
from tests.store.store_texts import toml

ROOT = Path(__file__).parents[2]
EPOCH = "1790000000"
SHARE = {
    "share/bash-completion/completions/cors-service",
    "share/fish/vendor_completions.d/cors-service.fish",
    "share/man/man1/cors-service.1",
    "share/zsh/site-functions/_cors-service",
}
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}

pytestmark = [
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git says which files the project has"),
]


def run(*words: str | Path, cwd: Path, **more: str) -> str:
    """Run a command that succeeds, and give what it prints."""
    done = subprocess.run(words, cwd=cwd, env=os.environ | more, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(target: str, directory: Path) -> None:
    """Have make build a target in a copy of the project, with the environment of the tests, whatever its age."""
    words = ["make", "--silent", target, f"VENV={sys.prefix}", f"--old-file={sys.prefix}/release"]
    run(*words, cwd=directory, SOURCE_DATE_EPOCH=EPOCH)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a copy of the project in which `make wheelhouse` was run; it is removed behind the tests."""
    base = tmp_path_factory.mktemp("dist") / "project"
    copy_sources(base)
    make("wheelhouse", base)
    yield base
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def wheel(project: Path) -> Path:
    """Give the wheel."""
    [path] = (project / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(project: Path) -> Path:
    """Give the sdist."""
    [path] = (project / "dist").glob("*.tar.gz")
    return path


def test_built_twice(project: Path, wheel: Path, sdist: Path, tmp_path: Path) -> None:
    """Another build, on a wide terminal, where it is tomorrow, of files of other dates, gives the same bytes."""
    copy = tmp_path / "elsewhere"
    copy_sources(copy)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(path.stat().st_mode & ~0o077)
    there = {"COLUMNS": "200", "TZ": "Pacific/Kiritimati"}
    run(sys.executable, "release/dist.py", "dist", cwd=copy, SOURCE_DATE_EPOCH=EPOCH, **there)
    digests = {path.name: sha256(path.read_bytes()).hexdigest() for path in (copy / "dist").iterdir()}
    assert digests == {path.name: sha256(path.read_bytes()).hexdigest() for path in (wheel, sdist)}
    sums = (project / "build" / "release" / "SHA256SUMS").read_text()
    assert digests == {name: digest for digest, name in (line.split() for line in sums.splitlines())}


def test_sdist(sdist: Path) -> None:
    """The sdist has each file that is under version control, and what is made of the parser; nobody owns them."""
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members} == {
        (0, 0, "", "", int(EPOCH))
    }
    names = {member.name.partition("/")[2] for member in members if member.isfile()}
    known = set(run("git", "ls-files", cwd=ROOT).splitlines())
    assert {name for name in names if not name.startswith("cors_service.egg-info/")} == known | SHARE | {"PKG-INFO"}


def test_wheel(wheel: Path) -> None:
    """The wheel has the packages with their data, the plugin, and what is made of the parser, and nothing else."""
    version = wheel.name.split("-")[1]
    about = f"cors_service-{version}"
    known = set(run("git", "ls-files", "cors_service", "twisted", cwd=ROOT).splitlines())
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        modes = {member.external_attr >> 16 & 0o7777 for member in archive.infolist()}
    expected = (
        known | {f"{about}.data/data/{name}" for name in SHARE} | {f"{about}.dist-info/{name}" for name in METADATA}
    )
    assert names == expected
    assert modes <= {0o644, 0o755, 0o664}


def test_metadata(wheel: Path) -> None:
    """An index can say what this is, whose, and where more of it is."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        head = archive.read(name).decode().partition("\n\n")[0]
    fields = {line.partition(": ")[0] for line in head.splitlines()}
    assert {"Summary", "Author", "Keywords", "License-File", "Description-Content-Type"} <= fields
    links = dict(re.findall(r"^Project-URL: ([^,]+), (https://\S+)$", head, re.MULTILINE))
    assert {"Documentation", "Source", "Issues", "Changelog", "Security"} <= set(links)


def test_description(wheel: Path) -> None:
    """What an index shows has no link that leads nowhere there: those to files lead to the tag of the version."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        text = archive.read(name).decode().partition("\n\n")[2]
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert links
    assert [link for link in links if not link.startswith(("https://", "http://", "#"))] == []
    tag = f"/v{wheel.name.split('-')[1]}/"
    paths = [link.partition(tag)[2].partition("#")[0] for link in links if "cors-service/cors-service/blob" in link]
    assert [path for path in paths if not path or not (ROOT / path).exists()] == []


@pytest.fixture(scope="module")
def environment(project: Path) -> Path:
    """Give the commands of an environment with the wheel, out of the wheelhouse alone, without any extra."""
    base = project.parent / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", base, cwd=project)
    pip(base, project, "cors-service")
    return base / "bin"


def pip(environment: Path, project: Path, *words: str) -> None:
    """Install out of the wheelhouse alone."""
    wheelhouse = project / "build" / "wheelhouse"
    offline = ["--quiet", "--disable-pip-version-check", "--no-index", "--find-links", str(wheelhouse)]
    run(sys.executable, "-m", "pip", "--python", environment, "install", *offline, *words, cwd=wheelhouse)


def test_without_extras(environment: Path, tmp_path: Path) -> None:
    """Without a network and without extras it installs, checks and would serve; an expression is a mistake that names
    the extra.
    """
    (tmp_path / "one.toml").write_text(toml("one"))
    assert run(environment / "cors-service", "check", tmp_path, cwd=tmp_path).endswith("1 policy, no mistakes.\n")
    checked = run(environment / "twist", "cors", "--policies", "one.toml", "--check", cwd=tmp_path)
    assert checked.endswith("1 policy, no mistakes.\n")
    (tmp_path / "two.toml").write_text(
        'version = 1\n[policies.two]\norigins = ["re:https://[a-z]\\\\.example\\\\.com"]\n'
    )
    done = subprocess.run(
        [environment / "cors-service", "check", tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "regex-unavailable" in done.stderr, "cors-service[regex]" in done.stderr) == (
        1,
        True,
        True,
    )
    assert (environment.parent / "share" / "man" / "man1" / "cors-service.1").is_file()


def test_by_hash(environment: Path, project: Path) -> None:
    """What pins a release has the hash of each file that it names, its extras among them."""
    words = ["--dry-run", "--force-reinstall", "--require-hashes", "--requirement", "requirements.txt"]
    pip(environment.parent, project, *words)
    pins = (project / "build" / "wheelhouse" / "requirements.txt").read_text()
    assert pins.startswith("cors-service[regex,tls]==")
    assert {"google-re2==", "pyopenssl=="} <= {line.partition("==")[0] + "==" for line in pins.splitlines()}


def test_image_of_the_wheel(wheel: Path, project: Path, tmp_path: Path) -> None:
    """What builds the image installs the very wheel that it is given."""
    wheelhouse = str(project / "build" / "wheelhouse")
    given = {"WHEEL": f"dist/{wheel.name}", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheelhouse}
    run("sh", "etc/install.sh", tmp_path / "image", cwd=project, **given, PYTHON=sys.executable)
    program = "from importlib.metadata import distribution as d; print(d('cors-service').read_text('RECORD'))"
    record = run(tmp_path / "image" / "bin" / "python", "-I", "-c", program, cwd=tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/RECORD")]
        built = {line for line in archive.read(name).decode().splitlines() if line.startswith("cors_service/")}
    assert built <= set(record.splitlines())
