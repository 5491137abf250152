"""What SIGHUP does: it has the policies read, and never ends the service."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from cors_service.daemon.notify import Notifier


def ignore_hangups() -> None:
    """Have a service that starts go on: it is reading everything anyway. Somebody else's handler stays."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _ignore)


class ReloadOnHangup(Service):
    """Reloads policies on SIGHUP, as daemons do."""

    def __init__(self, reload: Callable[[], Deferred[None]], reactor: Any, notifier: Notifier) -> None:
        """Make a service.

        Args:
            reload: Is called in the reactor's thread after each SIGHUP; the Deferred fires when that is done.
            reactor: The reactor.
            notifier: Is told when a reload begins and ends.
        """
        self._reload_policies = reload
        self._reactor = reactor
        self._notifier = notifier

    def startService(self) -> None:
        """Install a signal handler as soon as the reactor runs, which installs handlers of its own."""
        super().startService()
        if hasattr(signal, "SIGHUP"):
            self._reactor.callWhenRunning(signal.signal, signal.SIGHUP, self._hangup)

    def stopService(self) -> None:
        """Do nothing at a signal any more: requests in flight are answered first."""
        super().stopService()
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, _ignore)

    def _hangup(self, *_: object) -> None:
        # A signal can come between any two instructions: the reactor reloads in its own time.
        self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        self._notifier.reloading()
        self._reload_policies().addCallback(lambda _: self._notifier.reloaded())


def _ignore(*_: object) -> None:
    """Take the place of SIG_IGN, which processes that are started would inherit."""
