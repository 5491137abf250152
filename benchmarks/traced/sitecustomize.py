"""Python imports a module of this name when it starts: notes each call into a file of the product, for hops.py.

A line has the time, the file of the nearest caller in the product, and the file that is called. Imports do not count.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import FrameType
from typing import Any

_ROOT = os.environ["HOPS_ROOT"] + "/cors_service/"
_files: dict[int, int] = {}


def _note(frame: FrameType, event: str, _: Any) -> None:
    file = frame.f_code.co_filename
    if event != "call" or not file.startswith(_ROOT) or frame.f_code.co_name == "<module>":
        return
    caller = frame.f_back
    while caller is not None and not caller.f_code.co_filename.startswith(_ROOT):
        if caller.f_code.co_filename.startswith("<frozen importlib"):
            return
        caller = caller.f_back
    if caller is not None and caller.f_code.co_name == "<module>":
        caller = None
    before = caller.f_code.co_filename.removeprefix(_ROOT) if caller else ""
    os.write(_file(), f"{time.monotonic()}\t{before}\t{file.removeprefix(_ROOT)}\n".encode())


def _file() -> int:
    # A process that was forked writes into a file of its own.
    pid = os.getpid()
    if pid not in _files:
        _files[pid] = os.open(f"{os.environ['HOPS_DIR']}/{pid}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    return _files[pid]


sys.setprofile(_note)
threading.setprofile(_note)
