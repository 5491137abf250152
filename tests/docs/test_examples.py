"""Every example of the documentation is run, and does what the documentation says.

A block that begins with `# NAME`, such as `# app.toml` or `# test_app.py`, is a file, beside the other files of its
page: commands of the page find it, its tests pass, and its site answers the page's questions.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.answering import free_port

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(console|python|toml|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w.-]+\.(?:py|toml))\n")
SERVED, EMBEDDED, ADMINISTERED = "127.0.0.1:8080", "127.0.0.1:8000", "127.0.0.1:8081"
SITE = "our_site.py"
"""The file of a page that is run beside the service, for the questions that its commands ask at EMBEDDED."""


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


def administration(directory: Path, port: int) -> list[str]:
    """The command of an admin process, whose policies are the documents of the page."""
    (directory / "policies").mkdir()
    for path in directory.glob("*.toml"):
        shutil.copy(path, directory / "policies")
    twist = [sys.executable, "-m", "twisted", "cors-admin", "--store", "policies", "--data", "data"]
    return [*twist, "--listen", f"tcp:{port}:interface=127.0.0.1"]


def examples(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that the document shows."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output.strip()


def blocks(document: Path, language: str) -> list[str]:
    """The blocks of one language in a document."""
    return [text for found, text in BLOCK.findall(document.read_text(encoding="utf-8")) if found == language]


def write_files(document: Path, directory: Path) -> list[Path]:
    """Write the files of a document into a directory."""
    written = []
    for _, text in BLOCK.findall(document.read_text(encoding="utf-8")):
        if named := FILE.match(text):
            (path := directory / named[1]).write_text(text, encoding="utf-8")
            written.append(path)
    return written


def matches(expected: str, actual: str) -> bool:
    """Compare as doctest does: `...` stands for anything."""
    return re.fullmatch(".*?".join(map(re.escape, expected.split("..."))), actual, re.DOTALL) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if blocks(path, "console")], ids=lambda path: path.name
)
def test_console_examples_print_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    """A reader who types a command of the documentation sees the output that stands below it."""
    shutil.copytree(ROOT / "etc", tmp_path / "etc")
    # As in a clone, where `make serve` has made the environment.
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    write_files(document, tmp_path)
    served, embedded = free_port(), free_port()
    twist = [sys.executable, "-m", "twisted", "cors", "--policies", "etc/policies.toml", "--listen"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with ExitStack() as servers:
        servers.enter_context(running([*twist, f"tcp:{served}:interface=127.0.0.1"], served, tmp_path))
        if (program := tmp_path / SITE).exists():
            program.write_text(program.read_text(encoding="utf-8").replace("8000", str(embedded)), encoding="utf-8")
            servers.enter_context(running([sys.executable, str(program)], embedded, tmp_path))
        administered = free_port()
        if ADMINISTERED in document.read_text(encoding="utf-8"):
            servers.enter_context(running(administration(tmp_path, administered), administered, tmp_path))
        for command, expected in [example for block in blocks(document, "console") for example in examples(block)]:
            command_here = command.replace(SERVED, f"127.0.0.1:{served}").replace(EMBEDDED, f"127.0.0.1:{embedded}")
            command_here = command_here.replace(ADMINISTERED, f"127.0.0.1:{administered}")
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
            shown = done.stdout.replace(f"127.0.0.1:{served}", SERVED).replace(f"127.0.0.1:{embedded}", EMBEDDED)
            shown = shown.replace(f"127.0.0.1:{administered}", ADMINISTERED)
            assert matches(expected, shown.strip()), f"{command}\n{expected}\n!=\n{shown}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_policy_examples_load(document: Path, tmp_path: Path) -> None:
    """Each TOML example that begins with a version, or is a file that does, is a document that loads."""
    from cors_service.reader.sources import SUITE_SUFFIX, read_policies

    for number, text in enumerate(blocks(document, "toml")):
        named = FILE.match(text)
        is_suite = named is not None and named[1].endswith(SUITE_SUFFIX)
        if FILE.sub("", text, count=1).startswith("version") and not is_suite:
            path = tmp_path / f"{number}.toml"
            path.write_text(text)
            read_policies(path)


@pytest.mark.slow
@pytest.mark.parametrize("document", [path for path in DOCUMENTS if blocks(path, "python")], ids=lambda path: path.name)
def test_python_examples_run(document: Path, tmp_path: Path) -> None:
    """Each Python example that is no file runs from its top to its asserts."""
    for number, text in enumerate(text for text in blocks(document, "python") if not FILE.match(text)):
        program = tmp_path / f"{number}.py"
        program.write_text(text)
        done = subprocess.run(
            [sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if "\n# test_" in path.read_text(encoding="utf-8")],
    ids=lambda path: path.name,
)
def test_tests_of_examples_pass(document: Path, tmp_path: Path) -> None:
    """The tests that a page shows pass, beside the application that it shows, and there are some."""
    write_files(document, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:twisted", "-W", "error"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
