"""Mutants of the constants of the modules under test: each character of an expression left out, each member of a set.

Each is tried in a child process, in which the constant is replaced wherever it was imported, by the tests that call a
function which reads it, the quickest first. Prints a line for each: what became of it, and what it is.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from warnings import catch_warnings

import pytest

SECONDS = 120
"""Of the processor, for the tests of one mutant."""


class Mutant(NamedTuple):
    """A constant of a module, and what it is replaced by."""

    module: ModuleType
    name: str
    value: Any
    what: str

    def __str__(self) -> str:
        path = self.module.__name__.removeprefix("cors_service.").replace(".", "/")
        return f"{path}.py {self.name}: {self.what}"


def main() -> None:
    """Try all mutants, as many at a time as there are processors."""
    config = ConfigParser()
    config.read("setup.cfg")
    section = {key: value.split("\n") for key, value in config["mutmut"].items()}
    names = [path.removesuffix(".py").replace("/", ".") for path in section["only_mutate"] if path]
    modules = [import_module(name) for name in names]
    arguments = ["-x", "-q", *filter(None, section["pytest_add_cli_args"])]
    clean = [sys.executable, "-m", "pytest", *arguments, *notes()["duration_by_test"]]
    subprocess.run(clean, check=True, stdout=subprocess.DEVNULL)  # what fails without a mutant would kill them all
    running: dict[int, Mutant] = {}
    for mutant in (mutant for module in modules for mutant in mutants_of(module)):
        tests = tests_of(mutant)
        if not tests:
            continue  # it only makes up other constants, which have mutants of their own
        if len(running) == os.cpu_count():
            wait(running)
        pid = os.fork()
        if not pid:
            attempt(mutant, [*arguments, *tests])
        running[pid] = mutant
    while running:
        wait(running)


def mutants_of(module: ModuleType) -> Iterator[Mutant]:
    """The mutants of all constants that a module assigns."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            for value, what in changed(getattr(module, name)):
                yield Mutant(module, name, value, what)


def changed(value: Any) -> Iterator[tuple[Any, str]]:
    """What a value is replaced by, and how that is called: one thing more, or one thing less."""
    if isinstance(value, re.Pattern):
        yield from shorter(value)
    elif isinstance(value, int):
        yield value + 1, f"{value + 1}"
    elif isinstance(value, str):
        yield value + "X", repr(value + "X")
        yield value[1:], repr(value[1:])
    elif isinstance(value, bytes | frozenset | tuple | Mapping):
        for position, member in enumerate(value):
            rest = [*value][:position] + [*value][position + 1 :]
            less = {key: value[key] for key in rest} if isinstance(value, Mapping) else type(value)(rest)
            yield less, f"without {chr(member) if isinstance(value, bytes) else member!r}"


def shorter(pattern: re.Pattern[str]) -> Iterator[tuple[re.Pattern[str], str]]:
    """The expressions that have one character less; in their name that character stands in angle brackets."""
    text = pattern.pattern
    for position, char in enumerate(text):
        before, after = text[:position], text[position + 1 :]
        with suppress(re.error), catch_warnings(action="ignore"):
            yield re.compile(before + after, pattern.flags), f"{before}<{char}>{after}"


def tests_of(mutant: Mutant) -> list[str]:
    """The tests that call a function which reads a constant, the quickest first, out of what mutmut noted."""
    known = notes()["tests_by_mangled_function_name"]
    tests = {
        test
        for module in holders(mutant)
        for function in readers(module, mutant.name)
        for test in known.get(function, ())
    }
    return sorted(tests, key=notes()["duration_by_test"].__getitem__)


@cache
def notes() -> dict[str, Any]:
    """What mutmut noted of the tests: how long each takes, and which functions it calls."""
    noted: dict[str, Any] = json.loads(Path("mutants/mutmut-stats.json").read_text("utf-8"))
    return noted


def holders(mutant: Mutant) -> list[ModuleType]:
    """The modules in which the constant has its name: its own, and those that import it."""
    original = getattr(mutant.module, mutant.name)
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("cors_service.")]
    return [module for module in modules if vars(module).get(mutant.name) is original]


@cache
def readers(module: ModuleType, constant: str) -> list[str]:
    """The functions and methods of a module that read a constant, as mutmut calls them."""
    functions: dict[str, ast.AST] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef):
            functions[f"x_{node.name}"] = node
        elif isinstance(node, ast.ClassDef):
            methods = (method for method in node.body if isinstance(method, ast.FunctionDef))
            functions |= {f"xǁ{node.name}ǁ{method.name}": method for method in methods}
    return [
        f"{module.__name__}.{name}"
        for name, function in functions.items()
        if any(isinstance(node, ast.Name) and node.id == constant for node in ast.walk(function))
    ]


def attempt(mutant: Mutant, arguments: list[str]) -> None:
    """In a child process: put the mutant in place, run the tests in silence, and end with their exit status."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + SECONDS, used + SECONDS))
    for module in holders(mutant):
        setattr(module, mutant.name, mutant.value)
    os._exit(pytest.main(arguments))


def wait(running: dict[int, Mutant]) -> None:
    """Wait for the next child, and print what became of its mutant."""
    pid, status = os.wait()
    mutant = running.pop(pid)
    if os.WIFSIGNALED(status):
        outcome = "timeout"
    else:
        # Tests fail, or can't even be collected. Pytest found none at all (5): that would be a fault of ours.
        outcome = {0: "survived", 5: "failed"}.get(os.WEXITSTATUS(status), "killed")
    print(outcome, mutant, flush=True)


if __name__ == "__main__":
    main()
