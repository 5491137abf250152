"""The policies of a revision of git, read out of its objects, so that nothing is checked out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import PolicySet, Source
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.sources import Progress, is_document_name, unreadable, within_limits

_REGULAR: Final = ("100644", "100755")
_NOT_FOUND: Final = 1
"""The exit status of git where it looked, and found nothing; a larger one says that it could not look."""


class AbsentError(OSError):
    """A revision has no such path."""


class _Entry(Struct, frozen=True):
    """A document in a revision.

    Attributes:
        name: What people call it, such as `HEAD:etc/policies.toml`.
        mode: What kind of entry it is, as git writes it.
        object: The name of its content.
    """

    name: str
    mode: str
    object: str


def read_revision(revision: str, path: str, limits: ReaderLimits, progress: Progress | None = None) -> PolicySet:
    """Read the policies of a document, or of a directory of documents, as they are in a revision.

    Args:
        revision: A commit, a branch, a tag, as git takes it.
        path: From the root of the repository; `./` before it stands for the current directory.
        limits: What that may take.
        progress: Is told how far it is.

    Raises:
        InvalidPolicies: The policies have mistakes.
        AbsentError: There is no such path in the revision.
        OSError: There is no such revision, or no git, or git refuses to look; then the text has its words.
    """
    shown = f"{revision}:{path}"
    found = _object(shown)
    if not found:
        if _object(f"{revision}^{{commit}}"):
            raise AbsentError("the revision has no such path")
        raise OSError("git knows no such revision")
    if _git("cat-file", "-t", found).strip() == "tree":
        entries = list(_documents(shown, found))
    else:
        entries = [_Entry(shown, _REGULAR[0], found)]
    if not entries:
        message = "There is no *.toml and no *.json file in the directory."
        raise InvalidPolicies([PolicyError("no-policies", message, file=shown)])
    return within_limits(limits, Path(shown), lambda: _read(entries, limits, progress))


def _object(name: str) -> str:
    """The name of an object of git in full; nothing if there is none."""
    return _git("rev-parse", "--verify", "--quiet", "--end-of-options", name).strip()


def _documents(shown: str, tree: str) -> Iterator[_Entry]:
    for line in _git("ls-tree", "-z", tree).split("\0"):
        about, _, name = line.partition("\t")
        if name and is_document_name(name) and not about.startswith("040000"):
            mode, _, content = about.split()
            yield _Entry(f"{shown.rstrip('/')}/{name}" if shown[-1] != ":" else f"{shown}{name}", mode, content)


def _read(entries: list[_Entry], limits: ReaderLimits, progress: Progress | None) -> PolicySet:
    if len(entries) > limits.documents:
        raise OSError(f"it holds more than {limits.documents} documents")
    mistakes: list[PolicyError] = []
    drafts: list[Draft] = []
    for entry, text in _contents(entries, limits):
        if isinstance(text, PolicyError):
            mistakes.append(text)
        else:
            drafts.append(Draft(Source(entry.name, "json" if entry.name.endswith(".json") else "toml", text)))
        if progress is not None:
            progress(len(drafts) + len(mistakes), len(entries))
    return read_drafts(drafts, unreadable=mistakes)


def _contents(entries: Iterable[_Entry], limits: ReaderLimits) -> Iterator[tuple[_Entry, str | PolicyError]]:
    """Give the text of each document, or why it can't be read."""
    command = _command("cat-file", "--batch")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - git
        assert process.stdin is not None
        assert process.stdout is not None
        total = 0
        for entry in entries:
            if entry.mode not in _REGULAR:
                yield entry, unreadable(entry.name, OSError("it is not a regular file"))
                continue
            process.stdin.write(f"{entry.object}\n".encode("ascii"))
            process.stdin.flush()
            size = int(process.stdout.readline().split()[-1])
            total += size
            if size > limits.document or total > limits.total:
                process.kill()
                raise OSError(f"{entry.name} is larger than documents may be")
            data = process.stdout.read(size + 1)[:-1]
            try:
                yield entry, data.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                yield entry, unreadable(entry.name, error)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(_command(*arguments), capture_output=True, check=False)  # noqa: S603 - git
    except FileNotFoundError:
        raise OSError("git is not installed") from None
    if done.returncode > _NOT_FOUND and done.stderr:
        raise OSError(f"git says: {_in_one_line(done.stderr)}")
    return done.stdout.decode("utf-8", "backslashreplace") if done.returncode == 0 else ""


def _in_one_line(words: bytes) -> str:
    return " ".join(words.decode("utf-8", "backslashreplace").split()).removeprefix("fatal: ")


def _command(*arguments: str) -> list[str]:
    return ["git", *arguments]
