"""The lines of the documentation set up a store in etcd that a fleet can use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cors_service.etcd import EtcdSource, EtcdStore
from cors_service.ledger.kept import StoreUnavailable
from tests.e2e.requirements import need
from tests.e2e.stores.etcd.members import Cluster, started
from tests.ledger.stores import about, edits, written

PAGE = Path(__file__).parents[4] / "docs" / "fleet.md"
PLACE = "127.0.0.1:2379"


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Cluster]:
    """Run a member of which nobody knows yet."""
    yield from started(Cluster(tmp_path / "etcd", arguments=["--bcrypt-cost", "4"]))


def test_the_lines_of_the_page(single: Cluster, tmp_path: Path) -> None:
    """Who copies the lines has a store with the policies, a user who writes it, and one who can only read it."""
    need("etcdctl")
    section = PAGE.read_text(encoding="utf-8").partition("\n## etcd\n")[2].partition("\n## ")[0]
    lines, further = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(lines.splitlines()) <= 10
    here = f"127.0.0.1:{single.first.port}"
    written(tmp_path / "policies")
    done = subprocess.run(
        ["bash", "-e", "-c", lines.replace(PLACE, here)],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    reader, writer = (url.replace(PLACE, here) for url in re.findall(r"'(etcd://[^']+)'", further))
    reader, writer = (re.sub(r"=(\w+\.toml)", rf"={tmp_path}/\1", url) for url in (reader, writer))
    source = EtcdSource(reader)
    assert {key.name for key in source.everything().bodies} == {"shop", "pay", "partners", "old"}
    source.close()
    store = EtcdStore(writer)
    plan = store.plan(store.read(), edits(("policy", "old", None)))
    may_read = EtcdStore(reader)
    with pytest.raises(StoreUnavailable, match="does not let the user in the file of credentials"):
        may_read.commit(may_read.plan(may_read.read(), edits(("policy", "old", None))), about())
    assert store.commit(plan, about()).entry.seq == 3
