"""Tests of reading small files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.access.files import read_small_file


def test_read(tmp_path: Path) -> None:
    """A file is read as a whole, up to the bytes that it may have."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert read_small_file(path, 3) == b"abc"
    with pytest.raises(ValueError, match="it has more than 2 bytes"):
        read_small_file(path, 2)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux lists what is open")
def test_directory(tmp_path: Path) -> None:
    """A directory is not a regular file, and nothing of it stays open."""
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    with pytest.raises(ValueError, match="it is not a regular file"):
        read_small_file(tmp_path, 3)
    assert len(list(descriptors.iterdir())) == before
