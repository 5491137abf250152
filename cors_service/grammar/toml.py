"""Parsing TOML, and what keeps a text from being parsed."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

# Python's parser takes time that is quadratic in the parts of one key.
_LONGEST_LINE: Final = 4096
_PLACE: Final = re.compile(r" \(at line (\d+), column (\d+)\)$")


class InvalidTOML(ValueError):
    """A text can't be parsed.

    Attributes:
        line: The line, from 1, or None if it can't be known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def parse_toml(text: str, kind: str) -> dict[str, Any]:
    """Parse a text.

    Args:
        text: The text.
        kind: What people call it, such as `document`.

    Raises:
        InvalidTOML: It is not TOML, or a line is too long. The message is a sentence for people.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE:
            raise InvalidTOML(f"The line has more than {_LONGEST_LINE} characters.", number)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InvalidTOML(f"The {kind} is not valid TOML: it is nested too deeply.") from None
    except ValueError as error:
        what, at = what_and_line(error)
        raise InvalidTOML(f"The {kind} is not valid TOML: {ascii(what)[1:-1]}.", at) from None


def what_and_line(error: ValueError) -> tuple[str, int | None]:
    """Take apart an error of `tomllib`: what is wrong, with its column, and the line."""
    # It has no attributes for them; a number too long to be read has no place at all.
    found = _PLACE.search(str(error))
    return (f"{str(error)[: found.start()]} in column {found[2]}", int(found[1])) if found else (str(error), None)
