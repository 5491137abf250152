"""What several of the end-to-end tests need."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

FILES = 1200


@pytest.fixture(scope="session")
def many_files() -> Iterator[None]:
    """Let this process have as many files open as a thousand connections take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"needs {FILES} open files, and the system allows {hard}: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
