"""What the playground is asked: the fields of its form, and the link that holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import urlencode

from msgspec import Struct, structs

from cors_service.explain import PageRequest
from cors_service.explain.exchange import CREDENTIALS, MODES, Lines, origin_of, url_of
from cors_service.grammar.match import ANY_HOST, Match
from cors_service.grammar.origin import is_loopback
from cors_service.policy.model import Policy

LONGEST: Final = 8192
"""Characters of a field."""
MOST_HEADERS: Final = 100
_NOWHERE: Final = "https://service.example/"
_SAFE: Final = ":/"
_JSON: Final = "application/json"

_Word = TypeVar("_Word", bound=str)


class InvalidQuestion(ValueError):
    """A question can't be asked; the text is a sentence for people.

    Attributes:
        field: What has to be corrected.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Question(Struct, frozen=True, kw_only=True):
    """A question as somebody has typed it; the attributes are those of `PageRequest`, as texts.

    Attributes:
        headers: A line for each, `Name: value`.
    """

    page: str = ""
    url: str = ""
    policy: str = ""
    method: str = "GET"
    headers: str = ""
    credentials: str = "same-origin"
    mode: str = "cors"

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Question:
        """Take it out of the fields of a form or a link; other fields are passed over."""
        given = {name: fields[name].strip() for name in FIELDS if fields.get(name, "").strip()}
        return cls(**given)

    @classmethod
    def about(cls, exchange: PageRequest) -> Question:
        """Make the question that asks about an exchange."""
        return cls(
            page=exchange.page,
            url=exchange.url,
            policy=exchange.policy or "",
            method=exchange.method,
            headers="\n".join(_line(name, value) for name, value in exchange.headers),
            credentials=exchange.credentials,
            mode=exchange.mode,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked yet."""
        return not (self.page or self.url or self.policy)

    @property
    def fields(self) -> dict[str, str]:
        """The fields that differ from their defaults."""
        return {name: value for name, value in structs.asdict(self).items() if value != getattr(_DEFAULTS, name)}

    def link(self, path: str, **more: str) -> str:
        """Write a link that holds all of it.

        Args:
            path: Where the link leads.
            more: Further parameters.
        """
        fields = {**self.fields, **more}
        return f"{path}?{urlencode(fields, safe=_SAFE)}" if fields else path

    def exchange(self, policies: Mapping[str, Policy]) -> PageRequest:
        """Give the exchange that it asks about.

        Args:
            policies: The policies; where only one of them is named, its `match` gives a URL.

        Raises:
            InvalidQuestion: No page can ask this.
        """
        for name in FIELDS:
            if len(getattr(self, name)) > LONGEST:
                raise InvalidQuestion(name, f"This has more than {LONGEST} characters.")
        if not self.page:
            raise InvalidQuestion("page", "Say which page asks: its URL, or its origin, such as https://app.example.")
        if not (self.url or self.policy):
            raise InvalidQuestion("url", "Say what the page asks for: a URL, or the name of a policy.")
        policy = policies.get(self.policy)
        url = self.url or (_NOWHERE if policy is None else example_url(policy))
        exchange = PageRequest(
            page=_checked("page", origin_of, self.page),
            url=_checked("url", url_of, url),
            method=self.method,
            headers=_lines(self.headers),
            credentials=_one_of("credentials", self.credentials, CREDENTIALS),
            mode=_one_of("mode", self.mode, MODES),
            policy=self.policy or None,
        )
        try:
            assert exchange.request is not None
        except ValueError as error:
            raise InvalidQuestion("method", f"No page can ask this: {error}.") from None
        return exchange


_DEFAULTS: Final = Question()
FIELDS: Final = tuple(field.name for field in structs.fields(Question))
"""The fields of the form."""


def example_url(policy: Policy) -> str:
    """Give a URL that finds a policy, if there is one."""
    for match in policy.match:
        host = _host(match)
        port = "" if match.port is None else f":{match.port}"
        scheme = "http" if is_loopback(host) else "https"
        segments = ["x" if segment == ANY_HOST else segment for segment in match.path.split("/")]
        if segments[-1].startswith("*."):
            segments[-1] = f"x{segments[-1][1:]}"
        return f"{scheme}://{host}{port}{'/'.join(segments)}"
    return _NOWHERE


def _host(match: Match) -> str:
    if match.host in {ANY_HOST, "<host>"}:
        return "service.example"
    if match.binds is not None:
        return match.host.replace(f"<{match.binds}>", match.binds)
    return f"www.{match.host[2:]}" if match.host.startswith("*.") else match.host


def _lines(text: str) -> Lines:
    lines = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        lines.append((name.strip(), value.strip() if colon else _value_for(name)))
    if len(lines) > MOST_HEADERS:
        raise InvalidQuestion("headers", f"There are more than {MOST_HEADERS} headers.")
    return tuple(lines)


def _line(name: str, value: str) -> str:
    """Write a header; of a recorded one, nobody may know more than its name."""
    return f"{name}: {value}" if value and value.isprintable() else name


def _value_for(name: str) -> str:
    """A value of a header that is only named, with which browsers ask for it."""
    return _JSON if name.strip().lower() == "content-type" else "1"


def _checked(field: str, read: Callable[[str], str], text: str) -> str:
    try:
        return read(text)
    except ValueError as error:
        message = str(error)
        raise InvalidQuestion(field, f"{message[:1].upper()}{message[1:]}.") from None


def _one_of(field: str, value: str, values: tuple[_Word, ...]) -> _Word:
    for known in values:
        if known == value:
            return known
    raise InvalidQuestion(field, f"This must be one of: {', '.join(values)}.")
