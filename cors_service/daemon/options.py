"""What the options of all plugins have in common: numbers within bounds, and all mistakes told in a line each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from getopt import GetoptError
from pathlib import Path
from typing import Any, ClassVar, Final

from twisted.python import usage

from cors_service.daemon.hangup import ignore_hangups
from cors_service.daemon.json_log import log_refused_start
from cors_service.daemon.written_files import clash
from cors_service.streams import open_closed

_ALIKE: Final = 0.75
"""How alike an option and one that was probably meant are, from 0 to 1."""


class WrongValue(str):
    """What is wrong with the value of an option, in place of the value: the others are read as well."""

    __slots__ = ()


def number(
    name: str, kind: type[int | float], default: float | None, least: float, description: str, most: int = (1 << 31) - 1
) -> list[Any]:
    """Give the parameter of an option that is a number.

    Args:
        name: The option.
        kind: Whether it is a whole number.
        default: What it is if it is not given.
        least: The least that it may be.
        description: What it is for.
        most: The most that it may be.
    """

    def read(text: str) -> float | WrongValue:
        try:
            value = kind(text)
        except ValueError:
            value = -1
        if not least <= value <= most:
            what = "whole number" if kind is int else "number"
            return WrongValue(f"--{name} must be a {what} from {least} to {most}, not {text!r}")
        return value

    return [name, None, default, description, read]


class PluginOptions(usage.Options):
    """Options of a plugin of `twist` and `twistd`."""

    plugin: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]
    """The options that name what is read."""
    writes: ClassVar[tuple[str, ...]]
    """The options that name files to write."""

    def parseArgs(self, *words: str) -> None:
        """Refuse words that belong to no option."""
        if words:
            raise usage.UsageError(f"What is {words[0]!a}? Every word belongs to an option: quote spaces and *.")

    def mistakes(self) -> Iterator[str]:
        """Give what is wrong with options that go with others, in sentences."""
        raise NotImplementedError

    def refuse_mistakes(self) -> None:
        """Refuse the options if anything is wrong with them: with their values, or else with how they go together.

        Raises:
            UsageError: With a line for each mistake.
        """
        wrong = [*self._wrong_values()] or [*self._clashes(), *self.mistakes()]
        if wrong:
            raise usage.UsageError("\n".join(wrong))

    def _wrong_values(self) -> Iterator[str]:
        for name, value in self.items():
            if isinstance(value, WrongValue):
                yield value
            elif value == "":
                # Such as one out of a variable that is not set. An empty path would be the current directory, and
                # without its value an option might protect nothing.
                yield f"--{name} is empty: give it a value, or leave it out."

    def _clashes(self) -> Iterator[str]:
        """Files to write that other options name, too, such as the policies."""
        paths = self._paths()
        for name in self.writes:
            if (why := clash(name, paths)) is not None:
                yield why
            # Otherwise the other of two would be told the same.
            paths.pop(name, None)

    def _paths(self) -> dict[str, list[str]]:
        given = {name: self[name] for name in (*self.writes, *self.reads) if self[name] is not None}
        return {name: value if isinstance(value, list) else [value] for name, value in given.items()}

    def _json_log(self) -> str | None:
        """The log as JSON, if there is one and writing to it spoils nothing."""
        paths = self._paths()
        return self["json-log"] if "json-log" in paths and clash("json-log", paths) is None else None

    def _hint(self, error: BaseException | None) -> str:
        """What was probably meant by an option that there is not."""
        names = [name.rstrip("=") for name in self.longOpt]
        if not isinstance(error, GetoptError) or error.opt in names:
            return ""
        near = get_close_matches(error.opt, names, n=1, cutoff=_ALIKE)
        return f". Did you mean --{near[0]}?" if near else ""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse; under `twist` and `twistd`, which would list all options, write a line for each mistake, and exit.

        Args:
            options: The words; by default those of the process.

        Raises:
            UsageError: Something is wrong with them, and nobody runs this as a command.
        """
        open_closed()
        if self.parent is not None:
            ignore_hangups()
        try:
            super().parseOptions(options)
        except usage.UsageError as refused:
            error = usage.UsageError(f"{refused}{self._hint(refused.__context__)}")
            if self.parent is None:
                raise error from None
            mistakes = str(error).splitlines()
            log_refused_start(self._json_log(), map(usage.UsageError, mistakes))
            command = f"{'twistd' if Path(sys.argv[0]).name == 'twistd' else 'twist'} {self.plugin}"
            said = "".join(f"{command}: {mistake}\n" for mistake in mistakes)
            sys.stderr.write(f"{said}Help: {command} --help\n")
            raise SystemExit(os.EX_USAGE if hasattr(os, "EX_USAGE") else 1) from None
