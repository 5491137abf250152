"""The replaceable part: where policies are kept together with a ledger of their changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from zope.interface import Attribute, Interface

from cors_service.ledger.edits import Body, Edit
from cors_service.ledger.entry import Key, Signed
from cors_service.ledger.kept import About, Kept, Plan


class IChangeStore(Interface):
    """A store of policies that keeps a ledger.

    Its methods may block. They are called by one thread at a time; other processes may use the same store.
    """

    name: str = Attribute("What people call it, without anything secret.")
    kept: Kept | None = Attribute("What was read or written last; None before anything was read.")

    def read() -> Kept:
        """Read what is there now.

        Raises:
            StoreUnavailable: It can't be read.
            InvalidPolicies: There were no good policies yet, and what is there has mistakes.
        """

    def body(key: Key) -> Body | None:
        """Give a definition of what was read last, as its author wrote it; None if there is none."""

    def bodies(keys: Iterable[Key]) -> dict[Key, Body]:
        """Give several of them."""

    def plan(kept: Kept, edits: Sequence[Edit]) -> Plan:
        """Check a change, and prepare it; nothing is written.

        Args:
            kept: What it is a change of: what was read last.
            edits: What to write and to remove; each key once.

        Raises:
            InvalidPolicies: With every mistake that the policies would have.
            StoreUnavailable: The store can't take it.
            StoreIsWrong: Somebody else has to mend something first.
        """

    def commit(plan: Plan, about: About) -> Signed:
        """Make a change in one atomic step: its base is checked; documents, ledger and head are written.

        Args:
            plan: The change, which changes something.
            about: What its entry says beside.

        Returns:
            Its entry.

        Raises:
            Outdated: The store holds something else by now.
            StoreUnavailable: It can't be written. Nothing is changed, or all will be.
        """

    def entries(after: int, most: int) -> list[Signed]:
        """Give entries of the ledger in their order.

        Args:
            after: The number of the entry before the first.
            most: How many at most.
        """

    def close() -> None:
        """Let go of the store. Any thread may call it."""

    def bodies_at(seq: int) -> dict[Key, Body]:
        """Give all definitions as they were after the change of a number.

        Raises:
            LookupError: The ledger does not have them.
        """

    def bodies_of_changes(last: int) -> Iterator[tuple[int, Mapping[Key, Body | None]]]:
        """Give what the ledger keeps of each change, in their order; what is not read of it is not kept in memory.

        Args:
            last: The number of the last change to give.

        Yields:
            The number of a change and its definitions; None, or nothing, for one that it removed.

        Raises:
            StoreUnavailable: It can't be read.
        """

    def suites() -> list[tuple[str, str]]:
        """Give the name and the text of each test suite that is kept beside the policies.

        Raises:
            StoreUnavailable: They can't be read.
        """
