"""Mistakes in policy documents, as values that a program can handle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Self

Path = tuple[str | int, ...]

CODES: Final = frozenset(
    {
        # the document as a text and as a structure
        "document-unreadable",
        "reader-failed",
        "too-many-mistakes",
        "syntax",
        "duplicate-key",
        "missing-key",
        "unknown-key",
        "wrong-type",
        "wrong-value",
        "name-malformed",
        "rules-and-flat-keys",
        # the set as a whole
        "too-many-origins",
        "no-policies",
        "policy-duplicate",
        "origin-set-duplicate",
        "origin-set-nested",
        "origin-set-unknown",
        "origin-set-unused",
        "header-set-duplicate",
        "header-set-nested",
        "header-set-unknown",
        "header-set-unused",
        "match-malformed",
        "match-ambiguous",
        "match-bound-differently",
        "host-malformed",
        "guard-without-hosts",
        # origins
        "no-origins",
        "refuse-and-other-keys",
        "static-needs-one-origin",
        "origin-malformed",
        "origin-uppercase",
        "origin-unicode-host",
        "origin-default-port",
        "origin-path",
        "origin-trailing-slash",
        "origin-userinfo",
        "origin-ipv4-not-canonical",
        "origin-ipv6-not-canonical",
        "origin-punycode-malformed",
        "range-malformed",
        "wildcard-misplaced",
        "binding-malformed",
        "binding-unknown",
        "alternatives-malformed",
        "alternatives-too-many",
        "regex-malformed",
        "regex-covers-nothing",
        "regex-too-large",
        "regex-unavailable",
        # what a rule grants
        "any-origin-with-credentials",
        "any-host",
        "null-origin",
        "file-origin",
        "insecure-origin",
        "public-suffix-subdomains",
        "method-malformed",
        "method-forbidden",
        "request-header-malformed",
        "request-header-forbidden",
        "expose-header-malformed",
        "expose-header-forbidden",
        "any-header-with-credentials",
        "max-age-out-of-range",
        "rule-unreachable",
    }
)
"""The closed set of reason codes. Codes are API; messages are not."""


MOST_MISTAKES: Final = 1000
"""Mistakes that are kept and reported; the rest are counted."""
LONGEST_PART: Final = 128
"""Characters of a name that are shown, however long it is."""
_LONGEST_MESSAGE: Final = 500
_LONGEST_HINT: Final = 400
_LONGEST_PLACE: Final = 200
# Everything from the authority of a URL to the next space.
_REST_OF_URL: Final = re.compile(r"//\S*")
_HIDDEN: Final = "//***"
# Where a user and a password may begin in what is no sentence: behind a scheme and whatever slashes browsers take for
# those of a URL, or behind slashes alone.
_BEGINNING: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\\/]*|[\\/]{2,}")
_WORD: Final = re.compile(r"\w+")


class PolicyError(Exception):
    """One mistake in a policy document.

    What it says is for logs and `/v1/status`, and the document may be no policy at all but somebody's secrets behind
    a link. So it repeats little of a value, nothing of a table or list, and no user and password of a URL.

    Attributes:
        code: One of `CODES`.
        message: What is wrong, a sentence for people.
        hint: What to write instead, or empty if there is nothing better to say.
        path: Where in the document, such as `("policies", "catalogue", "rules", 1, "origins", 0)`.
        value: The offending value as it was read, or None.
        file: The name of the document, or None if it has none.
        line: The line in the file, from 1, or None if it can't be known.
    """

    codes: ClassVar[frozenset[str]] = CODES

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        path: Path = (),
        value: object = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        self.message = cut(without_userinfo(message), _LONGEST_MESSAGE)
        super().__init__(self.message)
        assert code in self.codes, code
        self.code = code
        # A hint that can't be typed, or read in one line, is no help; nor is one that a password would have to be taken
        # out of, in whatever spelling. It repeats input, so it could forge lines.
        is_useful = hint.isascii() and hint.isprintable() and len(hint) <= _LONGEST_HINT
        is_harmless = without_userinfo(hint) == hint and not any(_tells(hint, one) for one in (value, *path))
        self.hint = hint if is_useful and is_harmless else ""
        self.path = path
        self.value = value
        self.file = None if file is None else without_userinfo(file)
        self.line = line

    @property
    def where(self) -> str:
        """The document's path as people write it: `policies.catalogue.rules[1].origins[0]`."""
        return cut(without_userinfo(dotted(self.path)), _LONGEST_PLACE)

    def __str__(self) -> str:
        file = self.file if self.file is None or self.file.isprintable() else ascii(self.file)
        place = ":".join(str(part) for part in (file, self.line) if part is not None)
        parts = [part for part in (place, self.where, self.message) if part]
        return f"{': '.join(parts)}{' ' + self.hint if self.hint else ''} [{self.code}]"

    def as_dict(self) -> dict[str, object]:
        """The error as JSON types, for logs and `/v1/status`."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "path": self.where,
            "value": _plain(self.value),
            "file": self.file,
            "line": self.line,
        }


class InvalidDocument(ExceptionGroup[PolicyError]):
    """Everything that is wrong with documents of one kind, all at once; `exceptions` holds the mistakes.

    Attributes:
        document: What the documents are called in a message.
        more: The number of further mistakes, which are not kept.
    """

    document: ClassVar[str]
    more: int

    def __new__(cls, errors: Sequence[PolicyError], more: int = 0) -> Self:
        """Count the mistakes in the message."""
        count = len(errors) + more
        group = super().__new__(cls, f"{count} {plural(count, 'mistake')} in {cls.document}", errors)
        group.more = more
        return group

    def __init__(self, errors: Sequence[PolicyError], more: int = 0) -> None:
        super().__init__(str(self), errors)

    @property
    def mistakes(self) -> tuple[PolicyError, ...]:
        """The mistakes; the same as `exceptions`, unless the group was taken apart."""
        return tuple(error for error in self.exceptions if isinstance(error, PolicyError))

    def derive(self, excs: Sequence[PolicyError]) -> Self:  # type: ignore[override]  # it holds no others
        """Keep the type when `split` and `subgroup` take errors apart."""
        return type(self)(excs)

    def report(self) -> str:
        """One line for each mistake, and a last line that counts them, with those that are not kept."""
        first = f"; these are the first {len(self.exceptions)}" if self.more else ""
        return "\n".join([*map(str, self.exceptions), f"{self.message}{first}."])


class InvalidPolicies(InvalidDocument):
    """Everything that is wrong with a policy set, all at once; `exceptions` holds `PolicyError`s.

    Attributes:
        more: The number of further mistakes, which are not kept.
    """

    document = "the policies"


def without_userinfo(text: str) -> str:
    """A text without the users and passwords of the URLs in it, as in `postgres://user:password@host`."""
    return _REST_OF_URL.sub(_without_userinfo, text) if "@" in text and "//" in text else text


def _without_userinfo(found: re.Match[str]) -> str:
    rest = found[0]
    at = rest.rfind("@")
    # A password may hold what should be encoded, even a slash; without a colon, the slash ends the authority.
    is_in_path = ":" not in (authority := rest[2:].partition("/")[0]) and "@" not in authority
    return rest if at < 0 or is_in_path else f"{_HIDDEN}{rest[at:]}"


def value_without_userinfo(value: str) -> str:
    """A value of a document without the user and password of the URL that it may be, whatever is in them.

    Unlike in a sentence, they may have blanks and line ends.
    """
    found = _userinfo(value)
    return value if found is None else f"{value[: found.start]}***{value[found.stop :]}"


def _userinfo(value: str) -> slice | None:
    at = value.rfind("@")
    beginning = _BEGINNING.search(value, 0, at) if at >= 0 else None
    if beginning is None:
        return None
    start = beginning.end()
    authority = value[start:].partition("/")[0]
    return slice(start, at) if ":" in authority or "@" in authority else None


def _tells(hint: str, value: object) -> bool:
    """Whether a hint has a part of the user and password of a value, which is nowhere else in it."""
    found = _userinfo(value) if hint and isinstance(value, str) else None
    if found is None:
        return False
    text, said = str(value).casefold(), hint.casefold()
    rest = text[: found.start] + text[found.stop :]
    return any(word in said and word not in rest for word in _WORD.findall(text[found]))


def _plain(value: object) -> str | int | None:
    """A value that every reader of JSON can read; others are shown as text."""
    if isinstance(value, str):
        return cut(value_without_userinfo(value.encode("utf-8", "backslashreplace").decode("utf-8")))
    if value is None or (isinstance(value, int) and abs(value) < 1 << 53):
        return value
    return shown(value)


def dotted(path: Path) -> str:
    """Write a path as people do: keys joined by dots, indices in brackets, odd keys quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = cut(value_without_userinfo(part), LONGEST_PART)
            bare = name.isascii() and name.replace("-", "_").isidentifier()
            text += f"{'.' if text else ''}{name if bare else repr(name)}"
    return text


def shown(value: object, limit: int = 80) -> str:
    """A value for a message: escaped to ASCII and cut, so that it can't forge a log line, and without passwords."""
    if isinstance(value, str):  # as it is in every decision that shows something
        text = ascii(value)
        return cut(value_without_userinfo(text) if "@" in text else text, limit)
    if isinstance(value, Mapping):
        return "{...}" if value else "{}"
    if isinstance(value, list | tuple):
        return "[...]" if value else "[]"
    try:
        return cut(value_without_userinfo(ascii(value)), limit)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"


def cut(text: str, limit: int = 80) -> str:
    """A text, cut to the limit."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def plural(count: int, one: str, many: str = "") -> str:
    """The noun that stands after a number; `many` is for those that do not just get an s."""
    return one if count == 1 else many or f"{one}s"
