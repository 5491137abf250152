"""What the processes of a service say to each other over pipes.

Each message is a frame: its length in four bytes, then the message in MessagePack. A large answer comes in many frames,
so that it is taken in bit by bit. In MessagePack, a message is an array that begins with its number: one byte says what
it is to a process that only passes it on.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, Literal, cast, get_args

import msgspec
from msgspec import Struct, structs

from cors_service.grammar.mistakes import LONGEST_PART, InvalidPolicies, PolicyError, cut, value_without_userinfo
from cors_service.grammar.pattern import OriginPattern, Pattern, weight
from cors_service.policy.change import Behind, Change
from cors_service.policy.model import Policy, Rule

SIGNALS: Final = {signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])}
"""Signals that a terminal or a service manager sends to all processes of a service. The first one says what they mean
for the others, which don't get them before they know what to do about them."""

HEARS: Final = 0
"""The descriptor at which a process hears what the one that started it says; those on which it speaks differ."""

_LENGTH_BYTES: Final = 4
_LONGEST: Final = 1 << 30
# How many origins a part has at least, but for the last: some 32 KiB.
_PART_ORIGINS: Final = 500
# A policy or an origin set with more is sent in pieces, since a message is read in one go.
_PIECES_FROM: Final = 4 * _PART_ORIGINS


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
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)
_ENCODER: Final = msgspec.msgpack.Encoder()
_TYPES: Final[dict[object, type[Message]]] = {kind.__struct_config__.tag: kind for kind in get_args(Message)}


class NotAMessage(Exception):
    """What a process says is nothing that this program sends."""


class Frames:
    """Takes messages out of a stream of bytes."""

    def __init__(self) -> None:
        self._data = bytearray()

    def take(self, data: bytes) -> Iterator[bytes]:
        """Add what has arrived, and give the messages that are whole.

        Raises:
            NotAMessage: It is something else.
        """
        self._data += data
        while len(self._data) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._data[:_LENGTH_BYTES], "big")
            if end > _LONGEST:
                raise NotAMessage
            if end > len(self._data):
                return
            message = bytes(self._data[_LENGTH_BYTES:end])
            del self._data[:end]
            yield message


def encoded(message: Message) -> bytes:
    """Write a message."""
    return _ENCODER.encode(message)


def framed(message: Message) -> bytes:
    """Write a message as a frame."""
    return frame_of(encoded(message))


def decoded(data: bytes) -> Message:
    """Read a message.

    Raises:
        NotAMessage: It is something else.
    """
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise NotAMessage from error


def frame_of(data: bytes) -> bytes:
    """Make a frame of a message that is written already."""
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def type_of(data: bytes) -> type[Message]:
    """Say what kind of message something is, without reading it.

    Raises:
        NotAMessage: It is something else.
    """
    # The first byte says that it is an array, and of how many elements; the second is the number.
    try:
        return _TYPES[data[1]]
    except LookupError as error:
        raise NotAMessage from error


class IncomingChange:
    """Puts the parts of an answer together."""

    def __init__(self) -> None:
        self._begin: Begin | None = None
        self._pieces: list[Pattern] = []
        self._policies: list[Policy] = []
        self._origin_sets: dict[str, tuple[OriginPattern, ...]] = {}
        self._header_sets: dict[str, tuple[str, ...]] = {}

    def take(self, message: Message) -> Change | None:
        """Take the next message of an answer; any other says nothing.

        Returns:
            The change, once it is complete.

        Raises:
            InvalidPolicies: The answer is that there are mistakes.
            ReaderFailed: The answer is that there is none.
        """
        match message:
            case Begin():
                self._begin, self._pieces, self._policies = message, [], []
                self._origin_sets, self._header_sets = {}, {}
            case Piece():
                self._pieces += message.origins
            case Part(in_pieces=counts) if counts:
                self._take_pieces(message)
            case Part():
                self._policies += message.policies
                self._origin_sets |= message.origin_sets
                self._header_sets |= message.header_sets
            case End():
                return self._change()
            case Refused():
                raise read_mistakes(message.mistakes)
            case Failed():
                raise ReaderFailed(message.traceback)
        return None

    def _take_pieces(self, part: Part) -> None:
        """Put the one policy or origin set of a part together."""
        pieces, self._pieces = iter(self._pieces), []
        origins = [tuple(islice(pieces, count)) for count in part.in_pieces]
        for policy in part.policies:
            rules = tuple(map(_with_origins, policy.rules, origins))
            self._policies.append(structs.replace(policy, rules=rules))
        for name in part.origin_sets:
            self._origin_sets[name] = cast(tuple[OriginPattern, ...], origins[0])

    def _change(self) -> Change:
        begin = self._begin
        assert begin is not None
        policies, self._policies = self._policies, []
        return Change(
            base=begin.base,
            revision=begin.revision,
            policies=tuple(policies),
            removed=begin.removed,
            origin_sets=self._origin_sets,
            removed_sets=begin.removed_sets,
            header_sets=self._header_sets,
            removed_header_sets=begin.removed_header_sets,
            loaded_at=begin.loaded_at,
            mistakes=None if begin.mistakes is None else read_mistakes(begin.mistakes),
            behind=begin.behind,
            snapshot_problem=begin.snapshot_problem,
            seq=begin.seq,
        )


class ReaderFailed(Exception):
    """The process that reads policies can't do what it is asked for."""


def parts_of(change: Change) -> Iterator[Begin | Piece | Part | End]:
    """Take a change apart into messages."""
    mistakes = None if change.mistakes is None else write_mistakes(change.mistakes)
    removed = (change.removed, change.removed_sets, change.removed_header_sets)
    said = (mistakes, change.behind, change.snapshot_problem)
    yield Begin(change.base, change.revision, *removed, change.loaded_at, *said, seq=change.seq)
    for name, origins in change.origin_sets.items():
        yield from (
            _pieces(Part(origin_sets={name: ()}), [origins])
            if _is_large([origins])
            else [Part(origin_sets={name: origins})]
        )
    yield from (Part(header_sets={name: names}) for name, names in change.header_sets.items())
    for policies in _batches(change.policies):
        lists = [rule.origins for rule in policies[-1].rules]
        if not _is_large(lists):
            yield Part(tuple(policies))
            continue
        if policies[:-1]:
            yield Part(tuple(policies[:-1]))
        rules = tuple(_with_origins(rule, ()) for rule in policies[-1].rules)
        yield from _pieces(Part((structs.replace(policies[-1], rules=rules),)), lists)
    yield End()


def write_mistakes(invalid: InvalidPolicies) -> str:
    """Write mistakes as JSON in ASCII: unlike MessagePack, it can hold names that are not text."""
    names = ("code", "message", "hint", "file", "line")
    mistakes: list[dict[str, Any]] = []
    for mistake in invalid.mistakes:
        written = {name: getattr(mistake, name) for name in names}
        path = [
            part if isinstance(part, int) else cut(value_without_userinfo(part), LONGEST_PART) for part in mistake.path
        ]
        # Values may be of any type; this is what is reported of them.
        mistakes.append({**written, "path": path, "value": mistake.as_dict()["value"]})
    return json.dumps({"mistakes": mistakes, "more": invalid.more})


def read_mistakes(text: str) -> InvalidPolicies:
    """Read mistakes; they say the same as those that were written."""
    written: dict[str, Any] = json.loads(text)
    mistakes = [PolicyError(**{**mistake, "path": tuple(mistake["path"])}) for mistake in written["mistakes"]]
    return InvalidPolicies(mistakes, written["more"])


def _is_large(lists: Sequence[Sequence[Pattern]]) -> bool:
    return sum(sum(map(weight, origins)) for origins in lists) > _PIECES_FROM


def _pieces(part: Part, lists: Sequence[Sequence[Pattern]]) -> Iterator[Piece | Part]:
    """Take a part with one policy or origin set apart; its origins are these lists, which were taken out of it."""
    piece: list[Pattern] = []
    size = 0
    for pattern in chain.from_iterable(lists):
        piece.append(pattern)
        size += weight(pattern)
        if size >= _PART_ORIGINS:
            yield Piece(tuple(piece))
            piece, size = [], 0
    yield Piece(tuple(piece))
    yield structs.replace(part, in_pieces=tuple(map(len, lists)))


def _with_origins(rule: Rule, origins: tuple[Pattern, ...]) -> Rule:
    return structs.replace(rule, origins=origins)


def _batches(policies: Iterable[Policy]) -> Iterator[list[Policy]]:
    batch: list[Policy] = []
    size = 0
    for policy in policies:
        batch.append(policy)
        # A rule takes as much as some origins do, and a name as much as one.
        names = sum(len(rule.methods) + len(rule.request_headers) + len(rule.expose_headers) for rule in policy.rules)
        size += sum(5 + sum(map(weight, rule.origins)) for rule in policy.rules) + len(policy.match) + names
        if size >= _PART_ORIGINS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
