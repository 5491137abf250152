"""The locks, which CI and the image install, have all that setup.cfg asks for, and a hash for each file."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
CI, IMAGE = ROOT / ".ci" / "requirements.lock", ROOT / "etc" / "requirements.lock"
INSTALLER = ROOT / ".ci" / "installer.lock"
EXTRAS = {
    CI: ("build", "e2e", "lint", "test", "tls"),
    IMAGE: ("build", "bundle", "client", "postgresql", "regex", "tls"),
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

ALL = pytest.mark.parametrize("lock", [CI, IMAGE, INSTALLER], ids=["CI", "image", "installer"])
BOTH = pytest.mark.parametrize("lock", [CI, IMAGE], ids=["CI", "image"])


def name_of(requirement: Requirement) -> str:
    """The name of a project as the index has it."""
    return re.sub(r"[-_.]+", "-", requirement.name).lower()


def applies(requirement: Requirement, python: str) -> bool:
    """Whether a requirement is one on Linux, with one version of Python."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return requirement.marker is None or requirement.marker.evaluate(environment)


def locked(lock: Path) -> list[tuple[Requirement, list[str]]]:
    """What a lock pins, each with its hashes."""
    text = re.sub(r"^ *#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(Requirement(line.partition(" --hash=")[0]), re.findall(r"--hash=(\S+)", line)) for line in lines]


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    """What setup.cfg asks for, with some of its extras."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    found = [settings["options"]["install_requires"], *(settings["options.extras_require"][name] for name in extras)]
    return [Requirement(line) for line in "\n".join(found).splitlines() if line and not line.startswith("#")]


@BOTH
@pytest.mark.parametrize("python", PYTHONS)
def test_has_all(lock: Path, python: str) -> None:
    """For each Python, the lock has one version of whatever is asked for, and it is one that was asked for."""
    pins: dict[str, Version] = {}
    for pin, _ in locked(lock):
        if applies(pin, python):
            assert name_of(pin) not in pins
            [exactly] = pin.specifier
            pins[name_of(pin)] = Version(exactly.version)
    for requirement in wanted(EXTRAS[lock]):
        if applies(requirement, python):
            assert name_of(requirement) in pins, f"{requirement} is not locked: make lock"
            pinned = pins[name_of(requirement)]
            assert pinned in requirement.specifier, f"{requirement} is locked as {pinned}: make lock"


@ALL
def test_hashes(lock: Path) -> None:
    """Each package is pinned to one version, and each of its files to a hash of 256 bits."""
    for pin, hashes in locked(lock):
        assert [specifier.operator for specifier in pin.specifier] == ["=="]
        assert hashes
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes)


@ALL
def test_names_no_host(lock: Path) -> None:
    """A lock says what is installed, and leaves it to the machine where that is fetched."""
    text = lock.read_text(encoding="utf-8")
    assert ("://" in text, "--index" in text, "--find-links" in text) == (False, False, False)


def test_the_image_has_what_was_tested() -> None:
    """The versions of the image are those of CI."""
    tested = {(name_of(pin), str(pin.specifier)) for pin, _ in locked(CI)}
    assert {(name_of(pin), str(pin.specifier)) for pin, _ in locked(IMAGE)} <= tested
