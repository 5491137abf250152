"""The policies of the benchmarks, what is asked about them, and what must be answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.load import NUMBER
from cors_service.decision import ActivePolicies
from cors_service.limits import DEFAULT_TTL
from cors_service.policy import Source, read_sources
from cors_service.wire.answers import write_decision
from cors_service.wire.json_text import parse_json
from cors_service.wire.queries import read_query

MANY: Final = 100_000
"""Policies of a large set."""
ORIGINS: Final = 10
"""Origins of each of them."""
BATCH: Final = 100
"""Queries of a batch."""

METHODS: Final = ["DELETE", "GET", "PATCH", "PUT"]
NAMES: Final = ["authorization", "content-type", "x-request-id"]
# Of 32 origins that ask, 28 are partners.
ASKING: Final = [f"https://app{number:02}.partner.example" for number in range(28)] + [
    f"https://app{number:02}.stranger.example" for number in range(4)
]
# What they ask: four methods, each after a preflight. One of the preflights asks for a header name that is not listed.
WANTED: Final = [
    ("DELETE", "authorization"),
    ("PATCH", "x-debug"),
    ("PUT", "authorization,content-type"),
    ("GET", "x-request-id"),
]

# What a service passes on with an actual request: the headers that it received, and not only those that decide.
PASSED_ON: Final = {"Host": "api.example.com", "Content-Type": "application/json"}


class Question(NamedTuple):
    """What a page does.

    Attributes:
        origin: The origin of the page.
        method: What it wants to do.
        names: The header names that its preflight asks for, or None where it is not a preflight.
        policy: That decides.
    """

    origin: str
    method: str
    names: str | None
    policy: str = "catalogue"

    def query(self) -> bytes:
        """The query about it."""
        query: dict[str, Any] = {
            "policy": self.policy,
            "origin": self.origin,
            "method": self.method,
            "headers": PASSED_ON,
        }
        if self.names is not None:
            asked = {"Access-Control-Request-Method": self.method, "Access-Control-Request-Headers": self.names}
            query |= {"method": "OPTIONS", "headers": asked}
        return written(query)

    def headers(self) -> list[str]:
        """The header lines of the preflight itself."""
        lines = [f"Origin: {self.origin}", f"Access-Control-Request-Method: {self.method}"]
        return [*lines, f"Access-Control-Request-Headers: {self.names}"]

    def forwarded(self) -> bytes:
        """The request of a gateway that asks about the preflight."""
        lines = [
            f"GET /v1/forward-auth/{self.policy} HTTP/1.1",
            "Host: cors.localhost",
            "X-Forwarded-Method: OPTIONS",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: api.example.com",
            "X-Forwarded-Uri: /catalogue/7",
            *self.headers(),
        ]
        return _head(lines)

    def preflight(self) -> bytes:
        """The preflight itself."""
        return _head(["OPTIONS /catalogue/7 HTTP/1.1", "Host: api.example.com", *self.headers()])


MIX: Final = [
    Question(origin, method, asked) for origin, (method, names) in product(ASKING, WANTED) for asked in (names, None)
]
"""What is asked time and again: 256 questions, half of them about preflights, some of them refused."""
PREFLIGHTS: Final = [question for question in MIX if question.names is not None]
NEVER_REPEATED: Final = [
    question._replace(origin=f"https://app{NUMBER.decode()}.partner.example") for question in MIX[:8]
]
"""The same of origins that ask once."""


def document() -> dict[str, Any]:
    """The document of one policy."""
    partners = {
        "origins": ["https://partner.example", "https://*.partner.example"],
        "methods": METHODS,
        "request_headers": NAMES,
        "expose_headers": ["x-request-id"],
        "credentials": True,
        "max_age": 600,
    }
    return _document({"catalogue": {"match": ["api.example.com/catalogue/"], "rules": [partners]}})


def numbered_policy(number: int, generation: int = 0) -> dict[str, Any]:
    """One of many policies.

    Args:
        number: Which.
        generation: How often it was changed; an origin of it is named after that.
    """
    origins = [f"https://app{each}.site{number:06}.example" for each in range(1, ORIGINS)]
    return {
        "match": [f"api{number:06}.example.com/catalogue/"],
        "rules": [
            {
                "origins": [f"https://generation{generation}.site{number:06}.example", *origins],
                "methods": METHODS,
                "request_headers": NAMES,
                "credentials": True,
                "max_age": 600,
            }
        ],
    }


def many_policies(count: int) -> dict[str, Any]:
    """A document of so many policies."""
    return _document({f"catalogue{number:06}": numbered_policy(number) for number in range(count)})


def some_of_many(asked: Sequence[Question]) -> dict[str, Any]:
    """A document of those of many policies that are asked about."""
    numbers = {question.policy: int(question.policy.removeprefix("catalogue")) for question in asked}
    return _document({name: numbered_policy(number) for name, number in numbers.items()})


def numbered_file(number: int, generation: int = 0) -> str:
    """A document with one of many policies."""
    return json.dumps(_document({f"catalogue{number:06}": numbered_policy(number, generation)}))


def asked_of_many(count: int) -> list[Question]:
    """As many questions as in MIX, spread over so many policies; preflights with an unlisted name are refused."""
    return [
        question._replace(
            origin=f"https://app{index % (ORIGINS - 1) + 1}.site{number:06}.example", policy=f"catalogue{number:06}"
        )
        for index, question in enumerate(MIX)
        for number in [index * count // len(MIX)]
    ]


def single(question: Question) -> bytes:
    """The request of one decision."""
    return post("/v1/decision", question.query())


def batch_body(questions: Sequence[Question]) -> bytes:
    """The body of the request of many decisions."""
    return b'{"queries": [%s]}' % b", ".join(question.query() for question in questions)


def post(path: str, body: bytes) -> bytes:
    """A request with JSON. A NUMBER in the body is as long as what takes its place."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: cors.localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return _head(lines) + body


def active(policies: dict[str, Any]) -> ActivePolicies:
    """The policies of a document, in this process."""
    return ActivePolicies(read_sources([Source("policies.json", "json", json.dumps(policies))]))


def expected(policies: ActivePolicies, question: Question) -> Any:
    """The decision about a question, as the API gives it."""
    return json.loads(write_decision(policies.decide(read_query(parse_json(question.query()))), DEFAULT_TTL))


def answered(body: bytes) -> Any:
    """A decision that the API gave, without its hint for people, which no batch has."""
    decision = json.loads(body)
    decision["reason"].pop("hint", None)
    return decision


def written(query: dict[str, Any]) -> bytes:
    """A query as JSON."""
    return json.dumps(query).encode("ascii")


def write(policies: dict[str, Any], path: Path) -> Path:
    """Write a document; give its path."""
    path.write_text(json.dumps(policies), encoding="utf-8")
    return path


def _document(policies: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "policies": policies}


def _head(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")
