"""Runs one target under atheris: `python -m fuzz.instrumented NAME [options of libFuzzer] [corpus or files]`."""

from __future__ import annotations

import importlib
import sys

import atheris

# The last three are where our own parsers pass bytes on to Python.
_INSTRUMENTED = ["cors_service", "idna", "ipaddress", "tomllib"]


def main(name: str, arguments: list[str]) -> None:
    """Fuzz one target until libFuzzer ends the process.

    Args:
        name: The target's module.
        arguments: What libFuzzer is told, https://llvm.org/docs/LibFuzzer.html#options.
    """
    with atheris.instrument_imports(include=_INSTRUMENTED):
        target = importlib.import_module(f"fuzz.{name}")
    atheris.Setup([name, *arguments], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
