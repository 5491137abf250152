"""Files that options name: what the service writes must be nothing that another option names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cors_service.ledger.urls import is_url
from cors_service.reader.sources import is_document_name


def clash(name: str, named: Mapping[str, Iterable[str]]) -> str | None:
    """Say what else is at the place of a file that the service writes.

    Args:
        name: The option that names the file.
        named: The paths that all options name, by the options.

    Returns:
        A sentence that names both options; None if nothing else is there.
    """
    for path in filter(_is_file, named.get(name, ())):
        written = _places(path)
        for other, paths in named.items():
            places = set[Path]() if other == name else set[Path]().union(*map(_places, filter(_is_file, paths)))
            if places & written:
                return f"--{name} and --{other} name the same file: {path!a}."
            if any(place.parent in places and is_document_name(place.name) for place in written):
                return f"--{name} would be read as a document of --{other}: {path!a}."
    return None


def _is_file(path: str) -> bool:
    """Whether it is a path, and not of a device, which several may write to."""
    return path != "-" and not path.startswith("/dev/") and not is_url(path)


def _places(path: str) -> set[Path]:
    """Where it is: where a link leads to, and the link, which is what is replaced."""
    try:
        # Not Path.resolve, which fails at a loop of links.
        return {Path(os.path.realpath(path)), Path(os.path.realpath(Path(path).parent), Path(path).name)}
    except ValueError:  # it has a NUL, so nothing is there
        return {Path(path)}
