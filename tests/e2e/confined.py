"""Runs a program confined as systemd or a container engine would confine it, as far as that can be done by root alone.

It is started with `command()`, in name spaces of its own; what it is told is JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

NOBODY: Final = 65534

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_MDWE = 24, 38, 65
_MS_BIND = 0x1000
_ERRNO, _ALLOW = 0x00050001, 0x7FFF0000
_EQUAL, _MASKED_EQUAL = 4, 7
_NAMESPACES = 0x7E020080
"""The flags of clone(2) that make name spaces."""

_Call = tuple[int, int, int, int]


class _Comparison(ctypes.Structure):
    """What an argument of a system call has to be: libseccomp's scmp_arg_cmp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def can_confine() -> bool:
    """Whether this process may do what `command` needs."""
    program = shutil.which("unshare")
    if os.geteuid() != 0 or program is None:
        return False
    return subprocess.run([program, "--mount", "--net", "true"], capture_output=True, check=False).returncode == 0


def command(
    program: Sequence[str],
    *,
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    network: bool = True,
    temporary: bool = True,
    **settings: Any,
) -> list[str]:
    """Give the command that runs a program as nobody, without a capability, where all is read-only.

    Args:
        program: The command.
        readable: Files and directories below /home, /root and /tmp, which are empty otherwise but for Python.
        writable: Directories that can be written to; they have to be nobody's.
        network: Whether it has the network of the machine.
        temporary: Whether it can write to /tmp, which is its own.
        settings: More: `limits`, `umask`, `calls`, `families`, `process_files`, `deny_write_execute`.
    """
    packages = [path for path in sys.path if path.endswith("site-packages") and Path(path).is_dir()]
    python = {sys.base_prefix, sys.prefix, str(Path(__file__).parents[2]), *packages}
    told = settings | {
        "readable": sorted(python | set(map(str, readable))),
        "writable": sorted(map(str, writable)),
        "temporary": temporary,
    }
    spaces = ["--mount", *([] if network else ["--net"])]
    return ["unshare", *spaces, "--", sys.executable, __file__, json.dumps(told), *program]


def main() -> None:
    """Confine this process, and become the program."""
    told, program = json.loads(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    filters = _Filter(told["calls"], told["families"]) if "calls" in told else None
    _mount(told, libc)
    for name, value in told.get("limits", {}).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    os.umask(told.get("umask", 0o022))
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if told.get("deny_write_execute"):
        assert libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0) == 0, "this kernel has no PR_SET_MDWE"
    if filters is not None:
        filters.load()
    os.execvp(program[0], program)


def _mount(told: dict[str, Any], libc: ctypes.CDLL) -> None:
    """Make all read-only, and empty where files of people are."""
    files = {path: os.open(path, os.O_PATH) for path in told["readable"] + told["writable"]}
    run("mount", "--make-rprivate", "/")
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [line.split()[4] for line in lines]
    for point in points:
        if not point.startswith(("/proc", "/sys", "/dev")):
            # One that is below another of the same place can't be reached any more.
            run("mount", "-o", "remount,bind,ro", point, check=False)
    for hidden in ("/home", "/root", "/tmp"):
        run("mount", "-t", "tmpfs", "-o", "mode=755" if hidden != "/tmp" else "mode=1777", "tmpfs", hidden)
    for path, descriptor in files.items():
        is_writable = path in told["writable"]
        # What is below something that is there again is there, too.
        if not Path(path).exists():
            _make_place(Path(path), is_directory=Path(f"/proc/self/fd/{descriptor}").is_dir())
        elif not is_writable:
            continue
        # mount(8) would look up by its name what is hidden by now.
        source, target = f"/proc/self/fd/{descriptor}".encode(), os.fsencode(path)
        assert libc.mount(source, target, None, _MS_BIND, None) == 0, path
        run("mount", "-o", f"remount,bind,{'rw' if is_writable else 'ro'}", path)
    for descriptor in files.values():
        os.close(descriptor)
    if not told["temporary"]:
        run("mount", "-o", "remount,ro", "/tmp")
    if options := told.get("process_files"):
        run("mount", "-t", "proc", "-o", options, "proc", "/proc")


def _make_place(path: Path, *, is_directory: bool) -> None:
    """Make what something can be mounted on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_directory:
        path.mkdir()
    else:
        path.touch()


def run(*words: str, check: bool = True) -> None:
    """Run a command, silently if it works."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if check and done.returncode:
        sys.exit(f"{words}: {done.stderr}")


class _Filter:
    """The system calls that are allowed; all others fail with EPERM."""

    def __init__(self, calls: list[str], families: list[int]) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(_ERRNO))
        for name in calls:
            if name == "socket":
                for family in families:
                    self._allow(name, (0, _EQUAL, family, 0))
            elif name == "clone":
                self._allow(name, (0, _MASKED_EQUAL, _NAMESPACES, 0))
            # Its flags can't be seen by a filter; the C library then uses clone.
            elif name not in {"clone3", "unshare", "setns", "personality"}:
                self._allow(name)
        number = self._library.seccomp_syscall_resolve_name(b"clone3")
        self._library.seccomp_rule_add_array(self._context, 0x00050000 | 38, number, 0, None)

    def load(self) -> None:
        """Have it in force from now on."""
        assert self._library.seccomp_load(self._context) == 0

    def _allow(self, name: str, *comparisons: _Call) -> None:
        number = self._library.seccomp_syscall_resolve_name(name.encode("ascii"))
        array = (_Comparison * len(comparisons))(*(_Comparison(*each) for each in comparisons))
        # A call that this machine does not have can't be added.
        self._library.seccomp_rule_add_array(self._context, _ALLOW, number, len(comparisons), array)


if __name__ == "__main__":
    main()
