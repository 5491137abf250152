"""Makes a change while no file may grow beyond a few bytes, and again when it may; prints what came of each."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.kept import StoreUnavailable
from tests.ledger.stores import about, documents, edits

CHANGE = edits(("policy", "shop", {"origins": ["*"]}), ("policy", "old", None))


def main(path: Path) -> None:
    """Make the changes."""
    store = DirectoryStore(path)
    before = store.read().head.seq
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
    try:
        store.commit(store.plan(store.read(), CHANGE), about())
        said = "It was made."
    except StoreUnavailable as error:
        said = str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    left = documents(path)
    between = store.read().head.seq
    after = store.commit(store.plan(store.read(), CHANGE), about()).entry.seq
    sys.stdout.write(json.dumps({"said": said, "left": left, "seqs": [before, between, after]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
