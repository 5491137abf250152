"""Tests of signals that come while a process comes to its end."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Ends half a second after the first signal, and gets others meanwhile.
PROCESS = """
import os, sys
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.logger import globalLogBeginner, textFileLogObserver
from cors_service.daemon.ending import Ending

number = int(sys.argv[1])
globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
Ending(reactor, 10.0)
reactor.addSystemEventTrigger("before", "shutdown", lambda: deferLater(reactor, 0.5))

def first():
    if "signal" in sys.argv:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    else:
        reactor.stop()
    reactor.callLater(0.2, os.kill, os.getpid(), number)

reactor.callWhenRunning(reactor.callLater, 0, first)
reactor.run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process can't send itself these signals there")
@pytest.mark.parametrize("number", [2, 15], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("how", "ignored"), [("signal", 2), ("stop", 1)])
def test_signals_after_the_first(number: int, how: str, ignored: int) -> None:
    """Once a process is ending, whyever that is, each further signal is a line in the log and nothing else."""
    words = [sys.executable, "-c", PROCESS, str(number), how]
    end = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    lines = end.stdout.splitlines()
    assert "Traceback" not in end.stdout + end.stderr
    assert end.stdout.count("critical") == 0
    told = "Already ending: open connections are cut when 10 seconds are over (--drain-timeout)"
    assert sum(line.endswith(told) for line in lines) == ignored
    assert lines[-1].endswith("Main loop terminated.")
    assert sum("shutting down" in line for line in lines) == (how == "signal")
