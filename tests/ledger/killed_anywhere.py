"""Makes a change of a copy of a directory, and is killed before each step of it in turn; prints what is left of each.

The steps are what Python audits: files that are opened, renamed and removed, directories that are made and removed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from cors_service.ledger.chain import verify
from cors_service.ledger.directory import DirectoryStore
from cors_service.policy import revision
from cors_service.reader.sources import read_policies
from tests.ledger.stores import about, documents, edits

STEPS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
CHANGE = edits(
    ("policy", "shop", {"origins": ["https://shop.example.com", "https://new.example.com"]}),
    ("policy", "pay", {"origins": ["https://pay.example.com"]}),
    ("origin-set", "partners", None),
    ("policy", "old", None),
    ("policy", "new", {"origins": ["*"]}),
)


def commit(path: Path, last: int | None) -> int:
    """Make the change, or be killed before a step; give the number of steps."""
    store = DirectoryStore(path)
    plan = store.plan(store.read(), CHANGE)
    taken = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal taken
        if event in STEPS and str(arguments[0]).startswith(str(path)):
            if taken == last:
                os.kill(os.getpid(), signal.SIGKILL)
            taken += 1

    sys.addaudithook(count)
    store.commit(plan, about())
    return taken


def what_is_left(path: Path) -> dict[str, Any]:
    """Read what is there, and what whoever comes next makes of it."""
    before = revision(read_policies(path))
    store = DirectoryStore(path)
    kept = store.read()
    return {
        "read": before,
        "seq": kept.head.seq,
        "is_whole": kept.head.revision == revision(read_policies(path)),
        "documents": documents(path),
        "left": sorted(one.name for one in path.iterdir() if one.is_dir() or one.name[0] == "."),
        "ledger": sorted(one.name for one in (path / ".ledger").iterdir()),
        "broken": [one.sentence for one in verify(store.entries(0, 10), kept.head)],
    }


def main(source: Path, work: Path) -> None:
    """Do it for each step, and once without being killed."""
    found = []
    last = 0
    while True:
        copy = work / str(last)
        shutil.copytree(source, copy)
        child = os.fork()
        if child == 0:
            commit(copy, last)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found.append(what_is_left(copy))
        shutil.rmtree(copy)
        if status == 0:
            break
        last += 1
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
