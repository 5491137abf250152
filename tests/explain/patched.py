"""Applies patches as people do."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cors_service.explain import Documents, Explanation, PageRequest, explain
from cors_service.policy import Source


def documents(text: str, name: str = "policies.toml") -> Documents:
    """Read one document."""
    return Documents([Source(name, "json" if name.endswith(".json") else "toml", text)])


def patched(directory: Path, text: str, patch: str, name: str = "policies.toml") -> str:
    """Let `patch` apply a patch to a document; give what becomes of it."""
    file = directory / name
    file.write_bytes(text.encode("utf-8"))
    done = subprocess.run(
        ["patch", "--fuzz=0", "--no-backup-if-mismatch", str(file)],
        input=patch.encode("utf-8"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return file.read_bytes().decode("utf-8")


def mended(directory: Path, text: str, exchange: PageRequest, name: str = "policies.toml") -> tuple[Explanation, str]:
    """Explain a blocked exchange, apply the patch, and see that it passes; give the explanation and the document."""
    explanation = explain(exchange, documents(text, name))
    assert not explanation.passes
    assert explanation.mending is not None, explanation.steps[-1].message
    after = patched(directory, text, explanation.mending.patch, name)
    assert explain(exchange, documents(after, name)).passes
    return explanation, after


def changed_lines(patch: str) -> list[str]:
    """The lines that a patch removes and adds, each with its sign."""
    return [line for line in patch.split("\n")[2:] if line[:1] in {"-", "+"}]
