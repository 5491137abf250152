"""Prints what installs one release and nothing else: its own files and what the image has, all by version and hash.

`pip install --require-hashes --requirement FILE` takes it. The argument is the directory of the files.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).resolve().parents[1] / "etc" / "requirements.lock"


def pins(directory: Path) -> str:
    """Give the requirements, those of the service before those of the lock.

    Args:
        directory: It has the sdist and the wheel of one version.
    """
    files = sorted(path for path in directory.iterdir() if path.suffix in {".gz", ".whl"})
    [version] = {path.name.removesuffix(".tar.gz").split("-")[1] for path in files}
    hashes = [f"--hash=sha256:{sha256(path.read_bytes()).hexdigest()}" for path in files]
    own = " \\\n    ".join([f"cors-service[regex,tls]=={version}", *hashes])
    return f"{own}\n{LOCK.read_text(encoding='utf-8')}"


if __name__ == "__main__":
    sys.stdout.write(pins(Path(sys.argv[1])))
