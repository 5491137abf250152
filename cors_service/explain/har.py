"""Reads recorded sessions (HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/) without what is secret in them.

Of each request only what decides about CORS is kept: no cookie, no value of a header but those that matter, no body,
and of URLs neither user, query nor fragment.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import Struct, structs

from cors_service.browser import Behaviour, preflight_check
from cors_service.browser.headers import is_token
from cors_service.browser.request import is_forbidden_request_header
from cors_service.decision.own_origin import own_origin
from cors_service.explain._engines import leads_to
from cors_service.explain.exchange import MODES, NOT_MODIFIED, Answer, Answers, Lines, Mode, PageRequest, origin_of
from cors_service.grammar.pattern import NULL

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a recording that is read."""
MOST_ENTRIES: Final = 10_000
"""Requests of a recording that are read."""

_NO_RECORDING: Final = "It is not a recording of a browser (HAR)."
_METHOD: Final = "access-control-request-method"
_NAMES: Final = "access-control-request-headers"
# What browsers add by themselves, beyond what pages may not set.
_OF_BROWSERS: Final = frozenset(
    {
        "accept",
        "accept-language",
        "alt-used",
        "attribution-reporting-eligible",
        "attribution-reporting-support",
        "available-dictionary",
        "cache-control",
        "device-memory",
        "dictionary-id",
        "downlink",
        "dpr",
        "ect",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "last-event-id",
        "ping-from",
        "ping-to",
        "pragma",
        "priority",
        "purpose",
        "rtt",
        "save-data",
        "service-worker",
        "upgrade-insecure-requests",
        "user-agent",
        "viewport-width",
        "width",
        "x-browser-channel",
        "x-browser-copyright",
        "x-browser-validation",
        "x-browser-year",
        "x-client-data",
        "x-moz",
    }
)
# Whether these need a preflight depends on their values.
_JUDGED_BY_VALUE: Final = frozenset({"content-type", "content-language", "range"})
_OF_ANSWERS: Final = frozenset({"vary", "timing-allow-origin", "cross-origin-resource-policy"})
_CORS: Final = "access-control-"
_OK: Final = 200
_ANY: Final = "any"
_TAKEN: Final = "taken"
_PASSED: Final = "passed"


class _Line(Struct, frozen=True):
    name: str = ""
    value: str | None = ""


class _Message(Struct, frozen=True):
    headers: tuple[_Line, ...] | None = ()

    @property
    def lines(self) -> tuple[_Line, ...]:
        return self.headers or ()

    def values(self, name: str) -> list[str]:
        return [line.value or "" for line in self.lines if line.name.lower() == name]

    def first(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)


class _Request(_Message, frozen=True):
    method: str = "GET"
    url: str = ""


class _Response(_Message, frozen=True):
    status: int | float | str | None = 0


class _Entry(Struct, frozen=True):
    request: _Request
    response: _Response | None = None


class _Log(Struct, frozen=True):
    entries: tuple[msgspec.Raw, ...] = ()


class _Recording(Struct, frozen=True):
    log: _Log


class Recorded(Struct, frozen=True):
    """A recorded exchange.

    Attributes:
        exchange: What the page asked, without secrets.
        answers: What came back.
    """

    exchange: PageRequest
    answers: Answers


class Session(Struct, frozen=True):
    """A recorded session.

    Attributes:
        recorded: Its exchanges, in order; a preflight is part of that of its request.
        left_out: How many requests were left out: those of other schemes, those that no page can make, those that
            can't be read, and those beyond MOST_ENTRIES.
    """

    recorded: tuple[Recorded, ...]
    left_out: int


class InvalidRecordingError(ValueError):
    """A text is not a recording that can be read; the message says why, a sentence for people."""


def read_har(data: bytes) -> Session:
    """Read a recording.

    Args:
        data: The file.

    Raises:
        InvalidRecordingError: It is too large, or not a recording.
    """
    if len(data) > LARGEST:
        raise InvalidRecordingError(f"The recording has more than {LARGEST} bytes.")
    try:
        written = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Recording).log.entries
        entries = [*_readable(written[:MOST_ENTRIES])]
    except (ValueError, RecursionError):
        # The parser's own message repeats nothing, but says little to people.
        raise InvalidRecordingError(_NO_RECORDING) from None
    if written and not entries:
        raise InvalidRecordingError(_NO_RECORDING)
    return _session(entries, len(written) - len(entries))


def _readable(entries: Iterable[msgspec.Raw]) -> Iterator[_Entry]:
    """Read entries, without those that are none: an odd one says nothing about the others."""
    decoder = msgspec.json.Decoder(_Entry)
    for entry in entries:
        # What is not named above, such as bodies and cookies, is passed over and never becomes a value.
        with suppress(ValueError):
            yield decoder.decode(entry)


def _session(entries: Sequence[_Entry], left_out: int) -> Session:
    preflights = _Preflights(entry for entry in entries if _is_preflight(entry.request))
    recorded: list[Recorded] = []
    # The URLs to which other origins have redirected, and from where.
    redirected: dict[str, str] = {}
    stored = _Stored()
    for entry in entries:
        if _is_preflight(entry.request):
            continue
        preflight = preflights.take(entry)
        asked = None if preflight is None else preflight.request
        try:
            exchange = _exchange(entry.request, asked)
            assert exchange.request is not None
        except ValueError:
            left_out += 1
            continue
        if exchange.page == NULL:
            exchange = structs.replace(exchange, redirected_from=redirected.get(exchange.url))
        answer, answered = _answer(entry), None if preflight is None else _answer(preflight)
        if answer is not None and (target := leads_to(exchange.url, answer)) is not None and _has_page(exchange):
            redirected[target] = exchange.url
        answers = stored.completed(Answers(answer, answered), entry.request.url, exchange)
        recorded.append(Recorded(exchange, answers))
    # A preflight that failed may be all that was recorded.
    for entry in preflights.left():
        exchange_of = _unsent(entry.request)
        if exchange_of is None:
            left_out += 1
        else:
            recorded.append(Recorded(exchange_of, Answers(None, _answer(entry))))
    return Session(tuple(recorded), left_out)


def _is_preflight(request: _Request) -> bool:
    return request.method == "OPTIONS" and request.first(_METHOD) is not None


class _Stored:
    """What the browser's cache has, as far as it was recorded."""

    def __init__(self) -> None:
        # By the URL, with its query, and the page: caches are kept apart by site, and answers name an origin.
        self._answers: dict[tuple[str, str], Answer] = {}

    def completed(self, answers: Answers, url: str, exchange: PageRequest) -> Answers:
        """Add the stored answer that a 304 is about; and store what the page gets."""
        about = url.partition("#")[0], exchange.page
        if answers.actual is not None and answers.actual.status == NOT_MODIFIED and not exchange.is_conditional:
            answers = structs.replace(answers, stored=self._answers.get(about))
        if answers.judged is not None and answers.judged.status == _OK and exchange.method == "GET":
            self._answers[about] = answers.judged
        return answers


class _Preflights:
    """The preflights that were recorded: the order of one and its request differs by browser."""

    def __init__(self, entries: Iterable[_Entry]) -> None:
        self._waiting = dict(enumerate(entries))
        # Their numbers, by what they ask about, how they ended, and their page; None stands for any page.
        self._numbers: defaultdict[tuple[str | None, ...], deque[int]] = defaultdict(deque)
        for number, entry in self._waiting.items():
            asked = entry.request
            for end in _ends(entry):
                for origin in {asked.first("origin"), None}:
                    self._numbers[asked.url, asked.first(_METHOD), end, origin].append(number)

    def take(self, entry: _Entry) -> _Entry | None:
        """Take the first one about a request, of its page where that is known; None if there is none.

        What was answered was sent, so an earlier preflight that failed is of another request: somebody tried, mended
        the service and tried again.
        """
        request = entry.request
        for end in (_ANY,) if _answer(entry) is None else (_PASSED, _TAKEN):
            numbers = self._numbers[request.url, request.method, end, request.first("origin")]
            while numbers:
                preflight = self._waiting.pop(numbers.popleft(), None)
                if preflight is not None:
                    return preflight
        return None

    def left(self) -> Iterable[_Entry]:
        """Those that nobody has taken, in order."""
        return self._waiting.values()


def _ends(preflight: _Entry) -> Iterator[str]:
    """Say how a preflight ended: a browser may let the request pass, or the service has at least taken it."""
    yield _ANY
    answer = _answer(preflight)
    if answer is None or not 200 <= answer.status <= 299:
        return
    yield _TAKEN
    exchange = _unsent(preflight.request)
    if exchange and preflight_check(exchange.request, answer.status, answer.headers, Behaviour.CHROMIUM).allowed:
        yield _PASSED


def _exchange(request: _Request, preflight: _Request | None) -> PageRequest:
    """Make an exchange of a request.

    Raises:
        ValueError: It is of another scheme, or of no page.
    """
    url = _bare(request.url)
    if own_origin(url) is None:
        raise ValueError(url)
    # Of a request that was never sent, some browsers record only what they meant to send.
    page = _page(request if preflight is None or request.first("origin") else preflight, url)
    mode = "cors" if preflight is not None else _mode(request, url)
    is_with_credentials = request.first("cookie") is not None and page != own_origin(url)
    return PageRequest(
        page=page,
        url=url,
        method=request.method,
        headers=_set_by_page(request, preflight),
        credentials="include" if is_with_credentials else "same-origin",
        mode=mode,
    )


def _unsent(preflight: _Request) -> PageRequest | None:
    """Make the exchange of a preflight whose request was not sent."""
    names = [name.strip() for line in preflight.values(_NAMES) for name in line.split(",")]
    try:
        exchange = PageRequest(
            page=origin_of(preflight.first("origin") or ""),
            url=_bare(preflight.url),
            method=preflight.first(_METHOD) or "GET",
            headers=tuple((name, _unusual(name)) for name in names if name),
        )
        assert exchange.request is not None
    except ValueError:
        return None
    return exchange


def _has_page(exchange: PageRequest) -> bool:
    """Whether the page of an exchange is known, or of one that led to it."""
    return exchange.page != NULL or exchange.redirected_from is not None


def _unusual(name: str) -> str:
    """A value with which a header needs a preflight."""
    return "application/json" if name.lower() == "content-type" else "\x01"


def _page(request: _Request, url: str) -> str:
    origin = request.first("origin")
    if origin is not None:
        return NULL if origin == NULL else origin_of(origin)
    referrer = request.first("referer")
    if referrer is not None:
        return origin_of(_bare(referrer))
    if request.first("sec-fetch-site") in {"cross-site", "same-site"} and request.first("sec-fetch-mode") != "navigate":
        return NULL  # nobody knows which
    return own_origin(url) or NULL


def _mode(request: _Request, url: str) -> Mode:
    if url.startswith(("ws:", "wss:")) or (request.first("upgrade") or "").lower() == "websocket":
        return "websocket"
    named = request.first("sec-fetch-mode")
    for mode in MODES:
        if mode == named:
            return mode
    return "cors" if request.first("origin") is not None else "no-cors"


def _set_by_page(request: _Request, preflight: _Request | None) -> Lines:
    """The headers that the page set, with the values that matter."""
    asked = None
    if preflight is not None:
        asked = {name.strip().lower() for line in preflight.values(_NAMES) for name in line.split(",")}
    lines: list[tuple[str, str]] = []
    for line in request.lines:
        name = line.name.lower()
        if not is_token(name) or is_forbidden_request_header(name, "") or (asked is None and name in _OF_BROWSERS):
            continue
        if name in _JUDGED_BY_VALUE:
            lines.append((line.name, line.value or ""))
        elif asked is None or name in asked:
            lines.append((line.name, _unusual(name) if name in _OF_BROWSERS else ""))
    return tuple(lines)


def _answer(entry: _Entry) -> Answer | None:
    response = entry.response or _Response()
    # Of what was blocked, recordings have 0, -1, nothing or an empty text.
    if not isinstance(response.status, int) or not 100 <= response.status <= 599:
        return None
    return Answer(response.status, tuple(_kept(response.lines)))


def _kept(lines: Iterable[_Line]) -> Iterable[tuple[str, str]]:
    for line in lines:
        name = line.name.lower()
        if name.startswith(_CORS) or name in _OF_ANSWERS:
            # Some browsers write the lines of one header as one value.
            yield from ((line.name, value) for value in (line.value or "").split("\n"))
        elif name == "location":
            yield line.name, _bare(line.value or "")


def _bare(url: str) -> str:
    """A URL without user, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
