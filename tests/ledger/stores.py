"""A directory as a store, and changes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import Key, Kind, Signed
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import About

TEXTS = {
    "shop.toml": 'version = 1\n\n# The shop.\n[policies.shop]\norigins = ["https://shop.example.com"]\n',
    "pay.toml": """\
version = 1
[origin_sets]
partners = ["https://a.example"]
[policies.pay]
origins = ["@partners"]
""",
    "old.json": '{"version": 1, "policies": {"old": {"origins": ["https://old.example.com"]}}}',
}


def written(directory: Path) -> Path:
    """Write documents into a new directory."""
    directory.mkdir()
    for name, text in TEXTS.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def edits(*some: tuple[Kind, str, Any]) -> list[Edit]:
    """Make edits."""
    return [Edit(Key(kind, name), body) for kind, name, body in some]


def about(author: str = "somebody", reason: str = "because") -> About:
    """What an entry says beside."""
    return About(author=author, reason=reason, request_id="a", wider=True, narrower=False)


def change(store: IChangeStore, *some: tuple[Kind, str, Any]) -> Signed:
    """Make a change."""
    return store.commit(store.plan(store.read(), edits(*some)), about())


def documents(directory: Path) -> dict[str, str]:
    """The texts of a directory."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(directory.iterdir()) if path.is_file()}
