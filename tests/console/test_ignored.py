"""Origins that nobody wants to see any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.console.ignored import MOST, Ignored, IgnoredOrigins


def one(origin: str | None, policy: str | None = "shop") -> Ignored:
    """An origin that is ignored."""
    return Ignored(policy=policy, origin=origin, by="anna", at="2026-11-21T09:00:00Z")


def test_it_is_kept(tmp_path: Path) -> None:
    """What is ignored stays so for the next process, until somebody wants to see it again."""
    path = tmp_path / "ignored.json"
    ignored = IgnoredOrigins(path)
    for each in (one("https://a.example"), one(None, None), one("\u202e<script>"), one("https://a.example")):
        ignored.add(each)
    again = IgnoredOrigins(path)
    assert [each.origin for each in again.all()] == ["https://a.example", "\u202e<script>", None]
    assert ("shop", "https://a.example") in again
    assert ("pay", "https://a.example") not in again
    again.remove((None, None))
    assert (None, None) not in IgnoredOrigins(path)


def test_it_is_bounded(tmp_path: Path) -> None:
    """The oldest make room."""
    path = tmp_path / "ignored.json"
    ignored = IgnoredOrigins(path)
    ignored._write([one(f"https://{number}.example") for number in range(MOST)])
    ignored.add(one("https://new.example"))
    assert len(ignored) == MOST
    assert ("shop", "https://0.example") not in ignored


def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    """What can't be kept is not ignored either, and a file that can't be read has nothing in it."""
    ignored = IgnoredOrigins(tmp_path / "none" / "ignored.json")
    with pytest.raises(OSError, match="No such file"):
        ignored.add(one("https://a.example"))
    assert ("shop", "https://a.example") not in ignored
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    assert IgnoredOrigins(tmp_path / "broken.json").all() == []
