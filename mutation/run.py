"""Changes the code that parses, matches and decides in thousands of small ways, and says which no test notices.

Two kinds of mutants: mutmut's, of the code in functions (`[mutmut]` in setup.cfg says where and with which tests), and
those of `values.py`, of the constants beside them, which mutmut leaves as they are. What survives has to stand in
survivors.txt with the reason. All runs in a copy: no changed file is ever seen by anything else.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

HERE: Final = Path(__file__).parent
PROJECT: Final = HERE.parent
COPIED: Final = ("cors_service", "tests", "setup.cfg", "pyproject.toml")
WANTED: Final = 95
"""Per cent of the mutants that have to be killed. Those that time out are not counted: a busy machine can do that."""

# What a mutant is, in the words of survivors.txt, and what became of it.
Outcome = tuple[str, str]


def main(names: list[str]) -> int:
    """Run, and report; the exit status says whether enough mutants were killed and each survivor has its reason.

    Args:
        names: Mutants of mutmut to run alone, such as `cors_service.grammar.match*`; all of both kinds by default.
    """
    start = monotonic()
    with TemporaryDirectory() as directory:
        root = Path(directory)
        for name in COPIED:
            path = PROJECT / name
            (shutil.copytree if path.is_dir() else shutil.copy)(path, root / name)
        for path in (root / "cors_service").rglob("*.py"):
            path.write_text(without_properties(path.read_text("utf-8")), "utf-8")
        outcomes = [*of_mutmut(root, names), *([] if names else of_values(root))]
    return report(outcomes, monotonic() - start)


def without_properties(source: str) -> str:
    """Write `@property` as an assignment behind the method, because mutmut leaves decorated functions alone."""
    lines = source.splitlines(keepends=True)
    methods = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for node in sorted(methods, key=lambda node: node.lineno, reverse=True):
        if [ast.unparse(decorator) for decorator in node.decorator_list] == ["property"]:
            lines.insert(node.end_lineno or 0, f"{' ' * node.col_offset}{node.name} = property({node.name})\n")
            del lines[node.decorator_list[0].lineno - 1]
    return "".join(lines)


def of_mutmut(root: Path, names: list[str]) -> Iterator[Outcome]:
    """Run mutmut, and read what became of its mutants."""
    # Its progress goes through: a run takes minutes.
    subprocess.run([mutmut(), "run", *names], cwd=root, check=True)
    listed = subprocess.run(
        [mutmut(), "results", "--all", "true"], cwd=root, check=True, capture_output=True, text=True
    )
    for line in listed.stdout.splitlines():
        name, _, outcome = line.strip().rpartition(": ")
        if outcome in {"survived", "no tests"}:
            yield describe(root, name), "survived"
        elif outcome != "not checked":
            yield place(name), outcome


def place(name: str) -> str:
    """The module and the function of a mutant of mutmut: of `cors_service.a._b.xǁCǁd__mutmut_1`, `a/_b.py C.d`."""
    module, _, function = name.rpartition(".")
    path = module.removeprefix("cors_service.").replace(".", "/")
    return f"{path}.py {function.rpartition('__mutmut_')[0].removeprefix('xǁ').removeprefix('x_').replace('ǁ', '.')}"


def describe(root: Path, name: str) -> str:
    """A mutant of mutmut with the lines that it changes."""
    shown = subprocess.run([mutmut(), "show", name], cwd=root, check=True, capture_output=True, text=True).stdout
    changed = [line for line in shown.splitlines() if line[:1] in {"-", "+"} and line[:3] not in {"---", "+++"}]
    before, after = (" ".join(line[1:].strip() for line in changed if line[0] == sign) for sign in "-+")
    return f"{place(name)}: {before} -> {after}"


def mutmut() -> str:
    """The command, beside the interpreter that runs this."""
    return str(Path(sys.executable).parent / "mutmut")


def of_values(root: Path) -> Iterator[Outcome]:
    """Run `values.py` behind mutmut; its notes say which test is for what."""
    command = [sys.executable, str(HERE / "values.py")]
    done = subprocess.run(
        command, cwd=root, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    for line in done.stdout.splitlines():
        outcome, _, mutant = line.partition(" ")
        yield mutant, outcome


def report(outcomes: list[Outcome], seconds: float) -> int:
    """Print the figures of each module, the survivors, and the verdict."""
    counts = Counter((mutant.split(" ")[0], outcome) for mutant, outcome in outcomes)
    kinds = ("killed", "timeout", "survived")
    others = {outcome for _, outcome in outcomes} - set(kinds)
    print(f"{'module':<24}{'mutants':>8}{'killed':>8}{'timeout':>8}{'survived':>9}      %")
    for module in [*sorted({module for module, _ in counts}), "all"]:
        killed, late, survived = (
            sum(count for key, count in counts.items() if module in {key[0], "all"} and key[1] == kind)
            for kind in kinds
        )
        total = killed + late + survived
        share = 100 * killed / total if total else 0
        print(f"{module:<24}{total:>8}{killed:>8}{late:>8}{survived:>9}{share:>7.1f}")
    survivors = {mutant for mutant, outcome in outcomes if outcome == "survived"}
    reasons = explained()
    without = sorted(survivors - reasons)
    print(
        f"{seconds:.0f} seconds; {len(survivors)} survivors, {len(without)} of them without a reason in survivors.txt"
    )
    for mutant in without:
        print(f"  {mutant}")
    tried = {mutant.partition(":")[0] for mutant, _ in outcomes}
    killed_after_all = sorted(line for line in reasons - survivors if line.partition(":")[0] in tried)
    print(f"{len(killed_after_all)} lines of survivors.txt that did not survive")
    for mutant in killed_after_all:
        print(f"  {mutant}")
    if others:
        print(f"Neither killed nor survived: {', '.join(sorted(others))}")
    return int(share < WANTED or bool(without) or bool(others))


def explained() -> set[str]:
    """The mutants of survivors.txt: its lines, but for reasons, which begin with `#`."""
    lines = (HERE / "survivors.txt").read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
