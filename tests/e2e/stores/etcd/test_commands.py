"""Commands work at etcd without an admin process, and find out what was tampered with."""

from __future__ import annotations

from pathlib import Path

from cors_service.ledger.urls import prepare_store
from tests.e2e.stores.commands import broken_at, check_commands, command
from tests.e2e.stores.etcd.members import Cluster


def test_commands(cluster: Cluster, prefix: str, tmp_path: Path) -> None:
    """A directory is published, read and made a bundle of. Where somebody has changed an entry or a definition by hand,
    `ledger verify` names the entry.
    """
    url = cluster.url(prefix)
    prepare_store(url)
    check_commands(url, tmp_path)
    cluster.put(f"{prefix}/d/0/policy/shop", '{"origins": ["*"]}')
    assert broken_at(url, tmp_path) == [3]
    assert "Restored what was changed by hand: policy shop." in command(tmp_path, "store", "init", url)
    newest = f"{prefix}/ledger/{3:016}"
    cluster.put(newest, cluster.value(newest).replace('{"origins":["https://new', '{"origins":["https://evil'))
    assert broken_at(url, tmp_path) == [3]
    said = command(tmp_path, "store", "init", url)
    assert "Entry 3: What is kept of the policy shop is not what it wrote." in said
    assert "https://new.example.com" in command(tmp_path, "pull", url)
    place = f"{prefix}/ledger/{2:016}"
    cluster.put(place, cluster.value(place).replace("the first", "the last"))
    assert set(broken_at(url, tmp_path)) == {2, 3}


def test_another_prefix(cluster: Cluster, prefix: str, tmp_path: Path) -> None:
    """A misspelt prefix, below which nothing was written, is a mistake, and not a document without policies."""
    told = command(tmp_path, "pull", cluster.url(f"{prefix}-misspelt"), status=1)
    assert "has no policies: write policies with `cors-service push`, or correct the URL." in told
