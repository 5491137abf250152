"""The policies of a worker: its supervisor has the one process that reads documents, and passes on what that says."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy.change import Change
from cors_service.reader.messages import ENDS_OF_ANSWERS, Answer, Changed, Load
from cors_service.reader.parts import IncomingChange
from cors_service.store import IPolicyStore
from cors_service.store.following import StoreView
from cors_service.workers.channel import Channel


@implementer(IPolicyStore)
class WorkerPolicyStore:
    """Asks the supervisor for policies.

    Attributes:
        view: What is known of a store; None for documents.
    """

    def __init__(self, name: str, channel: Channel, *, is_followed: bool = False) -> None:
        """Make a store.

        Args:
            name: What people call the place where the policies come from.
            channel: Leads to the supervisor.
            is_followed: Whether that place is a store that is followed.
        """
        self.view = StoreView(name) if is_followed else None
        self.name = name
        self._channel = channel
        self._incoming = IncomingChange()
        self._loading: deque[Deferred[Change]] = deque()
        self._is_cut_off = False
        self._changed: Callable[[], object] | None = None

    def read(self) -> Change:
        """Ask for everything, and wait for the answer; what else the supervisor says is left for later.

        Raises:
            InvalidPolicies: There are mistakes, and no good policies to decide by instead.
            SystemExit: The supervisor is gone.
        """
        self._channel.send(Load(None))
        for message in self._channel.wait():
            if isinstance(message, Answer):
                change = self._incoming.take(message)
                if change is not None:
                    return change
            elif not isinstance(message, Changed):
                self._channel.postpone(message)
        sys.exit("the supervisor is gone")

    def load(self, base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Ask for what changed."""
        if self._is_cut_off:
            return fail(self._why_not())
        self._loading.append(Deferred())
        self._channel.send(Load(base, everything))
        return self._loading[-1]

    def watch(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Pass on what the supervisor says of changes."""
        self._changed = changed
        return self._unwatch

    def take(self, message: Answer | Changed) -> None:
        """Take what the supervisor says."""
        if isinstance(message, Changed):
            # An answer that is still to come has the change.
            if self._changed is not None and not self._loading:
                self._changed()
            return
        loading = self._loading[0]
        if isinstance(message, ENDS_OF_ANSWERS):
            self._loading.popleft()
        # What comes behind a part that could not be taken is still of the same answer.
        if loading.called:
            return
        try:
            change = self._incoming.take(message)
        except Exception:  # noqa: BLE001 - it is the answer
            loading.errback()
        else:
            if change is not None:
                loading.callback(change)

    def cut_off(self) -> None:
        """Expect nothing more of the supervisor: nobody may wait for an answer of it."""
        self._is_cut_off = True
        loading, self._loading = self._loading, deque()
        for one in loading:
            if not one.called:
                one.errback(self._why_not())

    def _why_not(self) -> InvalidPolicies:
        message = "This worker hears nothing more of its supervisor, and ends."
        return InvalidPolicies([PolicyError("reader-failed", message, file=self.name)])

    def _unwatch(self) -> None:
        self._changed = None
