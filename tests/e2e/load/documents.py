"""Numbered policy documents, good and broken, and what the service must answer by each, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle
from urllib.parse import urlencode

from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.limits import DEFAULT_TTL
from cors_service.policy import InvalidPolicies, PolicySet, Source, read_sources
from cors_service.wire.answers import write_decision
from cors_service.wire.json_text import parse_json
from cors_service.wire.queries import read_query

# The origin sets stand last, so that no beginning of the document is a good document.
_DOCUMENT = """\
version = 1

[policies.catalogue]
match = ["api.example.com/catalogue/"]

[[policies.catalogue.rules]]
origins = ["https://revision-{number}.example"]
expose_headers = ["x-revision-{number}"]

[[policies.catalogue.rules]]
origins = ["@partners"]
methods = ["GET", "PUT"]
request_headers = ["x-revision-{number}"]
expose_headers = ["x-revision-{number}"]
credentials = true
max_age = {number}

[origin_sets]
partners = ["https://partner.example", "https://*.partner.example"{more}]
"""

# Each is asked over and over, each time with another name in place of the @, so that no two queries are the same.
_QUESTIONS: tuple[dict[str, str], ...] = (
    {"policy": "catalogue", "method": "GET", "origin": "https://@.partner.example"},
    {"policy": "catalogue", "method": "GET", "origin": "https://partner.example"},
    {"url": "https://api.example.com/catalogue/7", "request_method": "PUT", "origin": "https://@.partner.example"},
    {"policy": "catalogue", "method": "GET", "origin": "https://@.stranger.example"},
    {"url": "https://api.example.com/catalogue/7", "request_method": "PUT", "origin": "https://partner.example"},
)
_PLACE = b"@"
_NAME_IN_PLACE = b"name-in-place"


def _as_json(question: dict[str, str]) -> bytes:
    """A question as the body of a POST."""
    fields: dict[str, object] = {"method": "OPTIONS", **question}
    if "request_method" in question:
        fields["headers"] = {"Access-Control-Request-Method": fields.pop("request_method")}
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


_BODIES = [_as_json(question) for question in _QUESTIONS]
_PATHS = [f"/v1/decision?{urlencode(question, safe='@')}".encode("ascii") for question in _QUESTIONS]


class Batch:
    """Questions that nobody asked before, and what must come back by each document."""

    def __init__(self, name: str, size: int) -> None:
        """Make a batch.

        Args:
            name: What no other batch is called.
            size: How many questions it has.
        """
        self._names = [f"{name}-{index}".encode("ascii") for index in range(size)]

    def __len__(self) -> int:
        return len(self._names)

    def queries(self) -> Iterator[bytes]:
        """The queries, as JSON."""
        return self._fill(_BODIES)

    def paths(self) -> Iterator[bytes]:
        """The queries, as what a GET asks for."""
        return self._fill(_PATHS)

    def decisions(self, document: GoodDocument, *, single: bool = False) -> Iterator[bytes]:
        """The decisions by a document, as JSON; those of single questions have hints."""
        return self._fill(document.advised if single else document.templates)

    def _fill(self, templates: list[bytes]) -> Iterator[bytes]:
        return (template.replace(_PLACE, name) for template, name in zip(cycle(templates), self._names))


class GoodDocument:
    """A document that loads.

    Attributes:
        number: What tells it from all others: it is written into every decision that allows.
        text: The document, as TOML.
        revision: Its revision.
        templates: The decision about each question, as JSON, with a place for the name.
        advised: The same with hints.
    """

    def __init__(self, number: int, origins: int = 0) -> None:
        """Make a document.

        Args:
            number: Its number.
            origins: How many more origins it shall have, so that writing and reading it takes time.
        """
        more = "".join(f', "https://more-{index}.example"' for index in range(origins))
        self.number = number
        self.text = _DOCUMENT.format(number=number, more=more)
        active = ActivePolicies(_read(self.text))
        self.revision = active.revision
        self.templates = [_write(active.decide, query) for query in _BODIES]
        self.advised = [_write(active.advise, query) for query in _BODIES]
        assert [b"x-revision-%d" % number in template for template in self.templates] == [True, True, True, False, True]
        assert all(self.revision.encode("ascii") in template for template in self.templates)


def broken_document(good: GoodDocument, variant: int) -> bytes:
    """Break a document, in one of many ways; nothing of it may ever be active."""
    text = good.text
    cut = len(text) * (variant % 89 + 5) // 100
    broken = [
        text[:cut],
        text.replace("max_age = ", "max_age = -"),
        text.replace('"https://partner.example"', '"https://partner.example/"'),
        text.replace("credentials", "credential"),
        text + "partners = []\n",
        text.replace("@partners", "@partner"),
        "",
    ]
    data = [one.encode("ascii") for one in broken] + [text.encode("utf-16")]
    return data[variant % len(data)]


def is_good(data: bytes) -> bool:
    """Whether bytes are a policy document without a mistake."""
    try:
        _read(data.decode("utf-8"))
    except (UnicodeDecodeError, InvalidPolicies):
        return False
    return True


def _read(text: str) -> PolicySet:
    return read_sources([Source("policies.toml", "toml", text)])


def _write(decide: Callable[[Query], Decision], query: bytes) -> bytes:
    decision = decide(read_query(parse_json(query.replace(_PLACE, _NAME_IN_PLACE))))
    return write_decision(decision, DEFAULT_TTL).replace(_NAME_IN_PLACE, _PLACE)
