"""Requests of a page, and answers to them, drawn at random: about right, and wrong in every way."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

_BAD_STARTS = (
    "HTTP/1.0 {status} OK",
    "HTTP/1.1 {status}",
    "HTTP/1.1  {status} OK",
    "http/1.1 {status} OK",
    "HTTP/2 {status} OK",
    "HTTP/1.1 {status}OK",
    "ICY {status} OK",
    "\r\nHTTP/1.1 {status} OK",
    "ab HTTP/1.1 {status} OK",
    "HTTP/1.1\t{status} OK",
    "HTTP/1.1 0{status} OK",
    "HTTP/1.1 {status} \x1b[2J",
    "HTTP/01.1 {status} x",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 {status} OK",
    "HTTP/1.1 103 E\r\nAccess-Control-Allow-Origin: *\r\n\r\nHTTP/1.1 {status} OK",
    "HTTP {status} OK",
    "HTTP/1.1 ok",
    "HTTP/1.1",
)
_BAD_ORIGINS = (
    "null",
    "{page}/",
    "{upper}",
    "",
    "{page}, {page}",
    "{page} x",
    "{page},",
    "\t{page}\t ",
    "{page}\x0b",
    "{page}\0",
    "{page}\x85",
    "{page}\xff",
    "http://x.example",
    '"{page}"',
    "*, *",
    "\r{page}",
    "{page}\r",
    "{page}\r\n ",
    "\r\n {page}",
    "{page}\r\n\t, x",
    "{page}\x0c",
    "\x0c{page}",
)
_CREDENTIALS = ("True", "TRUE", "1", "false", "true ", "\ttrue", "true, true", '"true"', "true;")
_METHODS = (
    "PUT",
    "GET, PUT",
    "put",
    "*",
    "PUT,",
    "PUT;GET",
    ",PUT",
    "PUT , DELETE",
    "PUT DELETE",
    '"PUT"',
    "PUT\x0b",
    "PUT\r\n , X",
    "",
    "GET",
    "PUT\0",
)
_NAMES = (
    "x-a",
    "X-A, content-type",
    "*",
    "x-a;",
    "x-a, authorization",
    "authorization",
    "x-a x-b",
    ",, x-a",
    "x-a,\tcontent-type",
    "",
    "(x-a)",
    "*, authorization",
)
_OTHERS = (
    "no colon at all",
    ": empty",
    "X: \x1b[2J",
    "Vary: Origin",
    "\tfold",
    "  fold, http://x",
    "X-\x85: y",
    "Content-Length: 0",
    "Content-Length: 0\r\nContent-Length: 0",
    "Content-Length: 0\r\nContent-Length: 3",
    "Transfer-Encoding: chunked",
    "Content-Type: text/plain",
    "Set-Cookie: a=b",
    "Location: ",
    "WWW-Authenticate: Basic realm=x",
    "Cross-Origin-Resource-Policy: same-origin",
)
_LOCATIONS = (
    "/{number}/second",
    "http://localhost:{port}/{number}/second",
    "//127.0.0.1:{port}/{number}/second#f",
    "http://",
    "http://u:p@127.0.0.1:{port}/{number}/second",
    "javascript:1",
    "  /{number}/first",
    "/{number}/second\xe9",
    "{page}/{number}/second",
)
_HEADERS = (
    ("X-A", "1"),
    ("Content-Type", "application/json"),
    ("Authorization", "Bearer x"),
    ("Accept-Language", "de"),
)


class Drawn(NamedTuple):
    """A request, and what is answered.

    Attributes:
        method: The page's method.
        headers: What the page sets.
        credentials: As fetch() names it.
        preflight: The answer to its preflight.
        first: The answer to itself.
        second: The answer where a redirect leads.
    """

    method: str
    headers: list[tuple[str, str]]
    credentials: str
    preflight: bytes
    first: bytes
    second: bytes


def drawn(random: Random, page: str) -> Drawn:
    """Draw one; of what is written, `{number}` and `{port}` are left to be filled in.

    Args:
        random: Where the choices come from.
        page: The origin of the page.
    """
    location = random.choice(_LOCATIONS) if random.random() < 0.2 else None
    return Drawn(
        random.choices(["GET", "POST", "PUT", "DELETE", "PATCH"], [10, 2, 5, 1, 1])[0],
        [header for header in _HEADERS if random.random() < 0.15],
        random.choice(["same-origin", "include"]),
        _answer(random, page, is_preflight=True, location=location if random.random() < 0.1 else None),
        _answer(random, page, location=location),
        _answer(random, page, is_preflight=True),
    )


def _answer(random: Random, page: str, *, is_preflight: bool = False, location: str | None = None) -> bytes:
    status = random.choices([200, 204, 401, 404, 500, 302, 405, 299, 304, 206], [50, 15, 3, 4, 3, 4, 3, 2, 1, 1])[0]
    if location is not None:
        status = random.choice([301, 302, 303, 307, 308])
    start = random.choice(_BAD_STARTS) if random.random() < 0.1 else "HTTP/1.1 {status} OK"
    lines = _lines(random, page, is_preflight=is_preflight)
    if location is not None:
        lines.append(f"Location: {location}")
    random.shuffle(lines)
    end = "\n" if random.random() < 0.03 else "\r\n"
    body = "0\r\n\r\n" if any("chunked" in line for line in lines) else ""
    text = start.replace("{status}", str(status)) + end + end.join(lines) + end * (2 if lines else 1) + body
    return text.replace("{page}", page).replace("{upper}", page.upper()).encode("latin-1")


def _lines(random: Random, page: str, *, is_preflight: bool) -> list[str]:
    def add(name: str, value: str) -> None:
        colon = random.choices([": ", ":", ":  ", " : ", ""], [20, 5, 1, 1, 0.3])[0]
        lines.append(f"{_name(random, name)}{colon}{value}")

    lines: list[str] = []
    for _ in range(_often(random, 1, 20, 2)):
        add(
            "Access-Control-Allow-Origin", random.choices(["{page}", "*", random.choice(_BAD_ORIGINS)], [60, 18, 44])[0]
        )
    for _ in range(_often(random, 10, 10, 1)):
        add("Access-Control-Allow-Credentials", random.choices(["true", random.choice(_CREDENTIALS)], [30, 9])[0])
    for _ in range(_often(random, 2, 20, 3) if is_preflight else 0):
        add("Access-Control-Allow-Methods", random.choice(_METHODS))
    for _ in range(_often(random, 2, 20, 3) if is_preflight else 0):
        add("Access-Control-Allow-Headers", random.choice(_NAMES))
    return lines + [random.choice(_OTHERS) for _ in range(_often(random, 8, 3, 1))]


def _often(random: Random, never: int, once: int, twice: int) -> int:
    return random.choices([0, 1, 2], [never, once, twice])[0]


def _name(random: Random, name: str) -> str:
    forms = [name, name.lower(), name.upper(), f"{name} ", f" {name}", f"{name}\t", f"{name}\x0b", f"{name}\0"]
    forms += [name.replace("-", "_"), f"\x01{name}"]
    return random.choices(forms, [40, 20, 10, 2, 2, 1, 1, 1, 1, 1])[0]
