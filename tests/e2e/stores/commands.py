"""What `push`, `pull`, `ledger` and `bundle build` do at any store that is ready and has nothing in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cors_service.bundle.form import read_bundle
from cors_service.ledger.entry import Key
from tests.ledger.stores import written

SHOP = Key("policy", "shop")


def command(directory: Path, *words: str, status: int = 0) -> str:
    """Run `cors-service`, and give what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "cors_service", *words], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def check_commands(url: str, directory: Path) -> None:
    """Publish a directory and a change of it, print what is there, and make a bundle of it."""
    written(directory / "policies")
    push = ["push", "policies", "--to", url, "--reason"]
    assert "policy shop" in command(directory, *push, "the first policies")
    (directory / "all.toml").write_text(command(directory, "pull", url))
    assert "Nothing changes" in command(directory, "push", "all.toml", "--to", url, "--reason", "again")
    before = int(command(directory, "ledger", "list", url).splitlines()[-2].split()[0])
    shop = directory / "policies" / "shop.toml"
    shop.write_text(shop.read_text().replace("https://shop", "https://new"))
    assert "WIDER     shop: " in command(directory, *push, "new shop", "--dry-run")
    assert f"Change {before + 1}: policy shop." in command(directory, *push, "new shop", "--if-seq", str(before))
    assert f"The newest change is {before + 1}" in command(
        directory, *push, "new shop", "--if-seq", str(before), status=2
    )
    assert "new shop (wider and narrower)" in command(directory, "ledger", "list", url)
    assert f"{before + 1} entries, nothing was tampered with." in command(directory, "ledger", "verify", url)
    command(directory, "bundle", "build", url, "--out", "policies.json")
    made = read_bundle((directory / "policies.json").read_bytes())
    assert (made.head.seq, made.bodies[SHOP]) == (before + 1, {"origins": ["https://new.example.com"]})


def broken_at(url: str, directory: Path) -> list[int]:
    """The entries that `ledger verify` names."""
    told = command(directory, "ledger", "verify", url, status=2)
    return [int(line.partition(":")[0]) for line in told.splitlines()]
