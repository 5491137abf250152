"""The process that follows a store, with one more kind of store: a file that a test writes.

The file is JSON: `{"states": [{"policy/shop": {...}}, ...], "down": false, "deadly": false}`. Each state is what one
change leads to. Whoever reads a deadly store ends.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from zope.interface import implementer

from cors_service.follow.__main__ import main
from cors_service.ledger import urls
from cors_service.ledger.entry import Head, Key
from cors_service.ledger.source import Everything, IStoreSource, Step
from tests.follow.followers import Store
from tests.follow.histories import history

_LOOK_SECONDS = 0.02


def write_store(path: Path, *states: Mapping[Key, Any], is_down: bool = False, is_deadly: bool = False) -> None:
    """Write what a store holds; also a change of it, as one step."""
    written = [{f"{key.kind}/{key.name}": body for key, body in state.items()} for state in states]
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"states": written, "down": is_down, "deadly": is_deadly}))
    new.replace(path)


def url_of(path: Path) -> str:
    """The URL of such a store."""
    return f"test://{path}"


def asked(path: Path) -> Sequence[str]:
    """What followers have asked the store for."""
    log = path.with_suffix(".asked")
    return log.read_text().split() if log.exists() else []


@implementer(IStoreSource)
class FileStore:
    """A store in a file.

    Attributes:
        name: Its URL.
    """

    def __init__(self, url: str) -> None:
        self.name = url
        self._path = Path(url.removeprefix("test://"))
        self._woken = Event()
        self._read = ""

    def everything(self) -> Everything:
        """Read all."""
        return self._store("everything").everything()

    def since(self, head: Head) -> list[Step] | None:
        """Read changes."""
        return self._store("since").since(head)

    def head(self) -> Head:
        """Read the newest change."""
        return self._store("head").head()

    def wait(self, seconds: float) -> bool:
        """Wait until the file is another."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._path.read_text() == self._read and not self._woken.is_set():
            time.sleep(_LOOK_SECONDS)
        self._woken.clear()
        return True

    def wake(self) -> None:
        """Let `wait` return."""
        self._woken.set()

    def close(self) -> None:
        """There is nothing to close."""

    def _store(self, what: str) -> Store:
        with self._path.with_suffix(".asked").open("a") as log:
            log.write(f"{what}\n")
        self._read = self._path.read_text()
        written = json.loads(self._read)
        if written["deadly"]:
            os._exit(7)
        states = [{_key(name): body for name, body in state.items()} for state in written["states"]]
        store = Store(history(*states))
        store.is_down = written["down"]
        return store


def _key(name: str) -> Key:
    kind, _, rest = name.partition("/")
    found: Any = kind
    return Key(found, rest)


if __name__ == "__main__":
    urls._READ["test"] = ("tests.follow.process", "FileStore")
    main()
