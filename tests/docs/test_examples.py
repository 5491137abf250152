"""Every example of the documentation is run, and does what the documentation says."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(console|python|toml|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVED, EMBEDDED = "127.0.0.1:8080", "127.0.0.1:8000"


@contextmanager
def running(arguments: list[str], port: int, directory: Path) -> Iterator[None]:
    """Run a server until the block ends, from the moment at which it accepts connections."""
    process = subprocess.Popen(arguments, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
            except urllib.error.HTTPError:
                break  # it answers, if only to say that nothing is there
            except OSError:
                assert process.poll() is None, process.stdout and process.stdout.read()
                assert time.monotonic() < deadline
            else:
                break
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def examples(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that the document shows."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.strip()


def blocks(document: Path, language: str) -> list[str]:
    """The blocks of one language in a document."""
    return [text for found, text in BLOCK.findall(document.read_text(encoding="utf-8")) if found == language]


def matches(expected: str, actual: str) -> bool:
    """Compare as doctest does: `...` stands for anything."""
    return re.fullmatch(".*?".join(map(re.escape, expected.split("..."))), actual, re.DOTALL) is not None


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if blocks(path, "console")], ids=lambda path: path.name
)
def test_console_examples_print_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    """A reader who types a command of the documentation sees the output that stands below it."""
    shutil.copytree(ROOT / "etc", tmp_path / "etc")
    served, embedded = free_port(), free_port()
    program = tmp_path / "embedded.py"
    program.write_text("\n".join(blocks(ROOT / "README.md", "python")).replace("8000", str(embedded)))
    twist = [sys.executable, "-m", "twisted", "cors", "--policies", "etc/policies.toml", "--listen"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (
        running([*twist, f"tcp:{served}:interface=127.0.0.1"], served, tmp_path),
        running([sys.executable, str(program)], embedded, tmp_path),
    ):
        for command, expected in [example for block in blocks(document, "console") for example in examples(block)]:
            command_here = command.replace(SERVED, f"127.0.0.1:{served}").replace(EMBEDDED, f"127.0.0.1:{embedded}")
            done = subprocess.run(
                ["bash", "-c", command_here],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            assert matches(expected, done.stdout.strip()), f"{command}\n{expected}\n!=\n{done.stdout}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_policy_examples_load(document: Path, tmp_path: Path) -> None:
    """Each TOML example that begins with a version is a document that loads."""
    from cors_service.reader.sources import read_policies

    for number, text in enumerate(blocks(document, "toml")):
        if text.startswith("version"):
            path = tmp_path / f"{number}.toml"
            path.write_text(text)
            read_policies(path)


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name != "README.md"], ids=lambda path: path.name
)
def test_python_examples_run(document: Path, tmp_path: Path) -> None:
    """Each Python example outside the README runs from its top to its asserts."""
    for number, text in enumerate(blocks(document, "python")):
        program = tmp_path / f"{number}.py"
        program.write_text(text)
        done = subprocess.run(
            [sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link of the documentation names a file of the project."""
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (document.parent / target).exists()]
    assert missing == []
