"""What etcd answers, as its JSON gateway writes it: int64 as text, bytes as Base64, and nothing that is zero."""

from __future__ import annotations

from msgspec import Struct


class Header(Struct, frozen=True):
    """Who answers, and at which revision of etcd."""

    cluster_id: int = 0
    revision: int = 0


class KeyValue(Struct, frozen=True, gc=False):
    """A key and its value."""

    key: bytes = b""
    value: bytes = b""
    mod_revision: int = 0


class Range(Struct, frozen=True):
    """Keys with their values, or the first of them."""

    header: Header = Header()
    kvs: tuple[KeyValue, ...] = ()
    more: bool = False


class Part(Struct, frozen=True):
    """What one operation of a transaction gave."""

    response_range: Range | None = None


class Transaction(Struct, frozen=True):
    """What came of a transaction.

    Attributes:
        header: Who answers.
        succeeded: Whether what it compared was so.
        responses: What its operations gave.
    """

    header: Header
    succeeded: bool = False
    responses: tuple[Part, ...] = ()

    def ranges(self) -> list[Range]:
        """Give the keys that it has read."""
        return [Range() if part.response_range is None else part.response_range for part in self.responses]


class Token(Struct, frozen=True):
    """Shows for some minutes who asks."""

    token: str


class Watched(Struct, frozen=True):
    """What a watch says at once.

    Attributes:
        created: Whether it is the first of it.
        canceled: Whether it is the last of it.
        compact_revision: The first revision that etcd still has, if that is why; otherwise 0.
        cancel_reason: Why it is the last, in etcd's words.
        events: What happened; nothing is known of them here but their number.
    """

    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""
    events: tuple[object, ...] = ()


class Line(Struct, frozen=True):
    """A line of a watch: what it says, or an error."""

    result: Watched | None = None


class Failure(Struct, frozen=True):
    """An error.

    Attributes:
        message: In etcd's words.
        code: The code of gRPC.
    """

    message: str = ""
    code: int = 0
