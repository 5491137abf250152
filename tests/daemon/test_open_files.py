"""Tests of how many files may be open, compared with the connections that there are to be."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# In a process of its own: a limit that is lowered can't be raised again.
_PROGRAM = """
import json, resource, sys
from twisted.python.usage import UsageError
from cors_service.daemon.open_files import with_files
from cors_service.daemon.settings import Settings
soft, hard, values = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    given = with_files(Settings(**{**values, "operator_listen": tuple(values.get("operator_listen", ()))}))
except UsageError as error:
    print(json.dumps(str(error)))
else:
    print(json.dumps([given.max_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0]]))
"""


def fit(soft: int, hard: int, **values: object) -> Any:
    """Start with limits; give the number of connections and the limit that came of it, or what is refused."""
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps([soft, hard, values])], capture_output=True, check=True, text=True
    )
    return json.loads(ended.stdout)


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")


def test_enough() -> None:
    """A limit that is high enough stays as it is."""
    assert fit(1024, 4096) == [900, 1024]
    assert fit(1020, 4096) == [900, 1020]


def test_raised() -> None:
    """A limit that is too low is raised as far as is needed."""
    assert fit(256, 2000) == [900, 1020]
    assert fit(256, 2000, max_connections=1800) == [1800, 1920]


def test_operators_count_too() -> None:
    """A listener for operators has as many connections of its own."""
    assert fit(256, 2000, operator_listen=["tcp:1"]) == [900, 1920]


def test_lowered() -> None:
    """Where nobody has asked for a number, there are as many connections as are possible."""
    assert fit(256, 500) == [380, 500]
    assert fit(256, 500, operator_listen=["tcp:1"]) == [190, 500]


@pytest.mark.parametrize(("most", "values"), [(500, {"max_connections": 901}), (500, {"max_connections": 381})])
def test_refused(most: int, values: dict[str, Any]) -> None:
    """A number that an operator has asked for is possible, or the start is refused; it says what would be."""
    said = fit(256, most, **values)
    assert f"--max-connections {values['max_connections']} is not possible" in said
    assert "--max-connections=380" in said


def test_workers_count_too() -> None:
    """The first process of many workers has some files open for each."""
    assert fit(256, 2000, workers=256) == [900, 1320]
    assert fit(256, 2000, workers=2) == [900, 1020]


def test_too_many_workers() -> None:
    """More workers than the first process can have files open for are refused; it says how many are possible."""
    said = fit(256, 500, workers=100)
    assert said.startswith("--workers 100 is not possible: 540 files have to be open")
    assert said.endswith("--workers=92.")


def test_nearly_none() -> None:
    """Without files for anything but the service itself, it does not start."""
    assert "ulimit" in fit(60, 60)
