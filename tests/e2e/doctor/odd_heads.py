"""Answers that are odd, each in its own way, and which browsers read more patiently than the standard."""

from __future__ import annotations

from typing import Final

OK: Final = "HTTP/1.1 200 OK"
MOVED: Final = "HTTP/1.1 302 Found"
ANY: Final = "Access-Control-Allow-Origin: *"
CHUNKED: Final = "Transfer-Encoding: chunked"

HEADS: Final = {
    "as it should be": [OK, "Access-Control-Allow-Origin: {page}"],
    "small letters": [OK, "access-control-allow-origin: {page}"],
    "no space": [OK, "Access-Control-Allow-Origin:{page}"],
    "tabs": [OK, "Access-Control-Allow-Origin: \t{page}\t "],
    "a space before the colon": [OK, "Access-Control-Allow-Origin : {page}"],
    "a space before the name": [OK, "X: 1", " Access-Control-Allow-Origin: {page}"],
    "a line that goes on": [OK, "Access-Control-Allow-Origin:", " {page}"],
    "a line that goes on too far": [OK, "Access-Control-Allow-Origin: {page}", " x"],
    "a line that goes on with nothing": [OK, "Access-Control-Allow-Origin: {page}", " "],
    "a return within": [OK, "Access-Control-Allow-Origin: {page}\r"],
    "a return before": [OK, "Access-Control-Allow-Origin: \r{page}"],
    "a vertical tab": [OK, "Access-Control-Allow-Origin: {page}\x0b"],
    "a form feed before": [OK, "Access-Control-Allow-Origin: \x0c{page}"],
    "a next line": [OK, "Access-Control-Allow-Origin: {page}\x85"],
    "a byte that is not ASCII": [OK, "Access-Control-Allow-Origin: {page}\xff"],
    "a zero": [OK, "Access-Control-Allow-Origin: {page}", "X: \0"],
    "a comma": [OK, "Access-Control-Allow-Origin: {page},"],
    "quotes": [OK, 'Access-Control-Allow-Origin: "{page}"'],
    "underscores": [OK, "Access_Control_Allow_Origin: {page}"],
    "no colon": [OK, "nonsense", "Access-Control-Allow-Origin: {page}", "nonsense"],
    "no name": [OK, ": nonsense", "Access-Control-Allow-Origin: {page}"],
    "an escape": [OK, "X: \x1b[2J", "Access-Control-Allow-Origin: {page}"],
    "twice": [OK, "Access-Control-Allow-Origin: {page}", "Access-Control-Allow-Origin: {page}"],
    "HTTP/1.0": ["HTTP/1.0 200 OK", ANY],
    "HTTP/2 in words": ["HTTP/2 200", ANY],
    "small http": ["http/1.1 200 ok", ANY],
    "no status": ["HTTP/1.1", ANY],
    "no number": ["HTTP/1.1 fine", ANY],
    "no phrase": ["HTTP/1.1 404", ANY],
    "no space behind the number": ["HTTP/1.1 200OK", ANY],
    "an empty line first": ["", OK, ANY],
    "nonsense first": ["xyz " + OK, ANY],
    "much nonsense first": ["nonsense " + OK, ANY],
    "another protocol": ["SSH-2.0 200 OK", ANY],
    "hints first": ["HTTP/1.1 103 Hints", ANY, "", OK, "X: 1"],
    "the answer behind hints": ["HTTP/1.1 103 Hints", "X: 1", "", OK, ANY],
    "two lengths": [OK, "Content-Length: 0", "Content-Length: 3", ANY],
    "the same length twice": [OK, "Content-Length: 0", "Content-Length: 0", ANY],
    "two lengths and chunks": [OK, CHUNKED, "Content-Length: 0", "Content-Length: 3", ANY],
    "an empty redirect": [MOVED, "Location: ", ANY],
    "a redirect to a script": [MOVED, "Location: javascript:1", ANY],
    "a redirect with a password": [MOVED, "Location: http://a:b@{host}/0/x", ANY],
    "a redirect to itself": [MOVED, "Location: ?", ANY],
    "a redirect to what is read": ["HTTP/1.1 307 Found", "Location: /0/\xe9#x", ANY],
    "two redirects": [MOVED, "Location: /0/x", "Location: /0/y", ANY],
    "a redirect elsewhere": [MOVED, "Location: http://sub.localhost:{port}/0/x", ANY],
    "a redirect to anybody": [MOVED, "Location: http://sub.localhost:{port}/23/x", ANY],
}  # fmt: skip
"""The lines of answers, by what is odd about them. The path `/N/...` gets the Nth of them."""


def odd_answer(page: str, number: int, port: int) -> bytes:
    """Write one of them.

    Args:
        page: The origin of the page.
        number: Which one.
        port: That of the site.
    """
    lines = list(HEADS.values())[number]
    text = "\r\n".join(lines).format(page=page, host=f"127.0.0.1:{port}", port=port)
    return f"{text}\r\n\r\n{'0' if CHUNKED in lines else ''}\r\n\r\n".encode("latin-1")
