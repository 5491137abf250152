"""Builds the sdist and the wheel: the same bytes whenever that is done from one commit by one Python.

The argument is the directory to write into; SOURCE_DATE_EPOCH has the date of all files, in seconds.

setuptools writes into an sdist when and by whom it was built. So it is built from a copy of the files that are under
version control, written anew without that, and the wheel is built out of it. Only the README differs from that of git.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from cors_service import __version__

ROOT: Final = Path(__file__).resolve().parents[1]
_PAGES: Final = "https://github.com/cors-service/cors-service/blob"
_RAW: Final = "https://raw.githubusercontent.com/cors-service/cors-service"
_EARLIEST: Final = 315532800
"""Seconds: 1980, when the time of ZIP begins."""
_NOT_SOURCES: Final = shutil.ignore_patterns(".venv*", "build", "dist", ".*_cache", "__pycache__", "*.egg-info")


def main(target: Path) -> None:
    """Write both into a directory, which is made if it is not there."""
    epoch = str(max(int(os.environ["SOURCE_DATE_EPOCH"]), _EARLIEST))
    environment = os.environ | {"SOURCE_DATE_EPOCH": epoch}
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work, source = Path(name), Path(name, "source")
        copy_sources(source)
        readme = source / "README.md"
        readme.write_text(with_whole_links(readme.read_text(encoding="utf-8")), encoding="utf-8")
        _run(["release/share.py", str(source / "share")], environment)
        _run(["-m", "build", "--sdist", "--no-isolation", "--outdir", str(work), str(source)], environment)
        [built] = work.glob("*.tar.gz")
        sdist = target / built.name
        sdist.write_bytes(normalized(built.read_bytes(), int(epoch)))
        with tarfile.open(sdist) as archive:
            archive.extractall(work, filter="data")
        unpacked = work / built.name.removesuffix(".tar.gz")
        _run(["-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(unpacked)], environment)


def copy_sources(target: Path) -> None:
    """Copy what git knows, as it is in the work tree; where there is no git, what was unpacked from an sdist."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        shutil.copytree(ROOT, target, ignore=_NOT_SOURCES)
        return
    for name in filter(None, listing.stdout.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)


def with_whole_links(readme: str) -> str:
    """Give the README as an index shows it: there, a link to a file of the project has to lead to GitHub.

    Args:
        readme: Markdown. Its relative links are paths from the root of the project.
    """
    tag = f"v{__version__}"
    images = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\1{_RAW}/{tag}/", readme)
    return re.sub(r"(\]\()(?!https?:|#)", rf"\1{_PAGES}/{tag}/", images)


def normalized(sdist: bytes, epoch: int) -> bytes:
    """Give an archive with the same files in the order of their names, all of one date, nobody's, with plain modes.

    Args:
        sdist: A tar, compressed with gzip.
        epoch: The date, in seconds.
    """
    tar = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(sdist)) as old,
        tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            kept = tarfile.TarInfo(member.name)
            kept.type, kept.size, kept.mtime = member.type, member.size, epoch
            kept.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            new.addfile(kept, old.extractfile(member) if member.isfile() else None)
    # Without the name of a file and the date in its head.
    return gzip.compress(tar.getvalue(), compresslevel=9, mtime=0)


def _run(words: list[str], environment: dict[str, str]) -> None:
    """Run Python, with the tools that are installed, which the lock names."""
    words = [sys.executable, *words]
    # A mask of one's own would show in the wheel.
    done = subprocess.run(words, cwd=ROOT, env=environment, umask=0o022, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
