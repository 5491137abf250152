"""Tests of the settings: their defaults, and their way to another process."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.daemon.settings import Settings
from cors_service.server import ServerLimits
from cors_service.web import Limits

PATHS = st.binary().filter(lambda path: b"\0" not in path).map(os.fsdecode)


def test_defaults_are_those_of_the_limits() -> None:
    """A service that was told nothing has the limits that a site and a tree have by default."""
    settings = Settings(policies="policies.toml")
    assert (Limits(), ServerLimits()) == (settings.limits, settings.server_limits)


def test_limits() -> None:
    """Each limit of the tree and of the server is that of its setting."""
    settings = Settings(
        policies="policies.toml",
        decision_ttl=1,
        max_body=2,
        max_head=3,
        max_head_lines=4,
        max_connections=5,
        request_timeout=6,
        idle_timeout=7,
    )
    assert (
        Limits(ttl=1, body=2),
        ServerLimits(body=2, head=3, head_lines=4, connections=5, request_timeout=6, idle_timeout=7),
    ) == (settings.limits, settings.server_limits)


@given(
    settings=st.builds(
        Settings,
        policies=PATHS,
        listen=st.lists(st.text()).map(tuple),
        operator_listen=st.lists(st.text()).map(tuple),
        metrics_listen=st.lists(st.text()).map(tuple),
        host=st.lists(st.text()).map(tuple),
        decision_ttl=st.integers(0, 2**31),
        request_timeout=st.floats(1, 2**31),
        workers=st.integers(1, 2**31),
        snapshot=st.none() | PATHS,
        shadow=st.none() | PATHS,
        access_log=st.none() | PATHS,
        line_by_line=st.booleans(),
    )
)
def test_round_trip(settings: Settings) -> None:
    """Whatever the settings are, even paths that are not UTF-8, another process reads the same from their JSON."""
    text = settings.to_json()
    assert (settings, True) == (Settings.from_json(text), text.isascii())


@pytest.mark.parametrize("text", ["", "[]", '{"policies": 1}', '{"policies": "a", "workers": "2"}'])
def test_something_else(text: str) -> None:
    """JSON that is not that of settings is refused."""
    with pytest.raises(ValueError, match=r"."):
        Settings.from_json(text)


def test_settings_do_not_change() -> None:
    """Settings are made once."""
    settings = Settings(policies="policies.toml")
    with pytest.raises(AttributeError):
        settings.workers = 2  # type: ignore[misc]
