"""What the processes of a service say to each other over pipes.

In MessagePack (see `frames`), a message is an array that begins with its number.
"""

from __future__ import annotations

import signal
from typing import Final, Literal

from msgspec import Struct

from cors_service.grammar.pattern import OriginPattern, Pattern
from cors_service.policy.change import Behind
from cors_service.policy.model import Policy

SIGNALS: Final = {signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])}
"""Signals that a terminal or a service manager sends to all processes of a service. The first one says what they mean
for the others, which don't get them before they know what to do about them."""

HEARS: Final = 0
"""The descriptor at which a process hears what the one that started it says; those on which it speaks differ."""


class Load(Struct, frozen=True, tag=1, array_like=True):
    """Asks for what leads from a revision to the policies that are there now.

    The answer is a `Begin`, a `Part` for each part, each perhaps with a `Piece` or more before it, and an `End`; or a
    `Refused`, or a `Failed`.

    Attributes:
        base: The revision; None for nothing.
        everything: Whether to read all documents, as they are; else those that are due.
    """

    base: str | None
    everything: bool = False


class Reread(Struct, frozen=True, tag=2, array_like=True):
    """Has the reader read all documents, as they are; it says `Changed` if that changes something."""


class Changed(Struct, frozen=True, tag=3, array_like=True):
    """There may be something to load. If this comes before an answer, that answer has it."""


class Begin(Struct, frozen=True, tag=4, array_like=True):
    """An answer begins, and takes the place of one that broke off; see `Change`."""

    base: str | None
    revision: str
    removed: tuple[str, ...]
    removed_sets: tuple[str, ...]
    removed_header_sets: tuple[str, ...]
    loaded_at: float | None
    mistakes: str | None
    behind: tuple[Behind, ...] = ()
    snapshot_problem: str | None = None
    seq: int | None = None


class Piece(Struct, frozen=True, tag=19, array_like=True):
    """Origins of the one policy or origin set in the next part."""

    origins: tuple[Pattern, ...]


class Part(Struct, frozen=True, tag=5, array_like=True):
    """A part of an answer; more follows.

    Attributes:
        policies: Policies.
        origin_sets: Origin sets by name.
        in_pieces: If the pieces before have the origins, how many of these each rule has, or the origin set.
    """

    policies: tuple[Policy, ...] = ()
    origin_sets: dict[str, tuple[OriginPattern, ...]] = {}
    header_sets: dict[str, tuple[str, ...]] = {}
    in_pieces: tuple[int, ...] = ()


class End(Struct, frozen=True, tag=6, array_like=True):
    """The answer is complete."""


class Refused(Struct, frozen=True, tag=7, array_like=True):
    """The answer is that the policies have mistakes, and that there is nothing else in their place.

    Attributes:
        mistakes: See `write_mistakes`.
    """

    mistakes: str


class Failed(Struct, frozen=True, tag=8, array_like=True):
    """There is no answer, because of a fault of this program."""

    traceback: str


class Begun(Struct, frozen=True, tag=9, array_like=True):
    """From a worker: it is about to accept connections."""


class Ending(Struct, frozen=True, tag=10, array_like=True):
    """From a worker: it was asked to end."""


class Logged(Struct, frozen=True, tag=11, array_like=True):
    """From a worker: an event for the log.

    Attributes:
        event: As JSON in ASCII.
    """

    event: str


State = Literal["waiting", "starting", "serving", "ending"]


class WorkerStatus(Struct, frozen=True, kw_only=True, tag=12, array_like=True):
    """From a worker: how it is. Times are in seconds since 1970.

    Attributes:
        number: From 1; a process that replaces another one has the same.
        pid: The process id; None while there is no process.
        state: `waiting` while there is no process, `starting` before it has policies, `serving`, or `ending`.
        started_at: When the process was started.
        replaced: How often the process was replaced since the service was started.
        revision: The revision of the policies that are active there; None before there are any.
        generation: How often other policies became active there since it was started.
        loaded_at: When the policies were read; None before there are any.
        stale: Whether the policies are not those that were read last.
        connections: The number of open connections.
        policies: The number of active policies.
        seq: The number of the change in its store that made them; None where changes have no numbers.
        confirmed_at: When the store was last known to hold nothing newer than that; None if it never was.
    """

    number: int
    pid: int | None
    state: State
    started_at: float | None = None
    replaced: int = 0
    revision: str | None = None
    generation: int = 0
    loaded_at: float | None = None
    stale: bool = False
    connections: int = 0
    policies: int = 0
    seq: int | None = None
    confirmed_at: float | None = None


class Workers(Struct, frozen=True, tag=13, array_like=True):
    """To a worker: how all of them are.

    Attributes:
        workers: How they are.
        log: What there is to say of the decision log, as JSON; None for nothing.
    """

    workers: tuple[WorkerStatus, ...]
    log: bytes | None = None


class Reload(Struct, frozen=True, tag=15, array_like=True):
    """To a worker: read everything again; the reader is told that already."""


class Reloaded(Struct, frozen=True, tag=16, array_like=True):
    """From a worker: that is done, well or badly."""


class Ping(Struct, frozen=True, tag=17, array_like=True):
    """To the reader: say that you can be asked."""


class Working(Struct, frozen=True, tag=18, array_like=True):
    """From the reader: it can be asked, or it is at work on what takes long."""


class Measure(Struct, frozen=True, tag=20, array_like=True):
    """From a worker: say what all of them have counted.

    Attributes:
        number: That of the question, which the answer has, too.
        accept: The formats that are taken, as an Accept header has them.
    """

    number: int
    accept: str


class Measured(Struct, frozen=True, tag=21, array_like=True):
    """To a worker: what all of them have counted."""

    number: int
    media_type: str
    text: bytes


class Sighted(Struct, frozen=True, tag=22, array_like=True):
    """From a worker: single decisions for the decision log.

    Attributes:
        sights: See `write_sights`.
    """

    sights: bytes


class Following(Struct, frozen=True, kw_only=True, tag=23, array_like=True):
    """From the reader of a store: how it follows that. Times are in seconds since 1970.

    Attributes:
        revision: That of the last good set; None before there is one.
        seq: The number of the change that made it.
        head_seq: The number of the newest change that is known.
        confirmed: The number of the change that the store confirmed last to be its newest; None if it never did.
        confirmed_at: The moment before the store was asked for that.
        behind_since: Since when the store is known to hold something else than the last good set; None if it is not.
        problem: The code of what is wrong; None if nothing is.
        message: What is wrong, for people.
        problems: How often each problem came up, by its code.
    """

    revision: str | None = None
    seq: int | None = None
    head_seq: int | None = None
    confirmed: int | None = None
    confirmed_at: float | None = None
    behind_since: float | None = None
    problem: str | None = None
    message: str | None = None
    problems: dict[str, int] = {}


class Drain(Struct, frozen=True, tag=14, array_like=True):
    """To a worker: end, after it has answered what it was asked.

    Attributes:
        rest: Whether to take up the connections that wait, too, since there will be no other worker.
    """

    rest: bool


Answer = Begin | Piece | Part | End | Refused | Failed
Message = (
    Load
    | Reread
    | Changed
    | Answer
    | Begun
    | Ending
    | Logged
    | WorkerStatus
    | Workers
    | Drain
    | Reload
    | Reloaded
    | Ping
    | Working
    | Measure
    | Measured
    | Sighted
    | Following
)
PARTS_OF_ANSWERS: Final = (Begin, Piece, Part, End)
ENDS_OF_ANSWERS: Final = (End, Refused, Failed)
