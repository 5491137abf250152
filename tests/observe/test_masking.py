"""What a line says of an origin, a method and a trace."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from cors_service.observe.masking import Masking
from cors_service.observe.trace import trace_of
from cors_service.observe.words import FORMS, Form

DAY = 86_400.0


def masking(form: Form, *, now: Callable[[], float] = lambda: 0.0, said: list[str] | None = None) -> Masking:
    """Make a masking; what it says goes into a list."""
    return Masking(form, now, (said if said is not None else []).append)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com:8443", "https://app.example.com:8443"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        ("null", "null"),
        (None, None),
        ("https://App.example.com", "https://App.example.com"),
        ("https://app.example.com/", "https://app.example.com…"),
        ("https://app.example.com/reset?token=secret", "https://app.example.com…"),
        ("https://app.example.com?token=secret", "https://app.example.com…"),
        ("https://app.example.com#secret", "https://app.example.com…"),
        ("https://alice:secret@app.example.com", "https://app.example.com…"),
        ("https://alice:se@cret@app.example.com/x?y=a@b", "https://app.example.com…"),
        ("https://alice:se/cret@app.example.com", UNSET),
        ("https://alice:se cret@app.example.com", UNSET),
        ("https://alice:se\\cret@app.example.com", UNSET),
        ("https://alice:secret", UNSET),
        ("https://[::1]:8443/secret", "https://[::1]:8443…"),
        ("https://a.example, https://b.example", "https://a.example…"),
        ("app.example.com", UNSET),
        ("secret", UNSET),
        ("", UNSET),
        ("https://", UNSET),
        ("https://é.example", UNSET),
    ],
)
def test_full(text: str | None, written: object) -> None:
    """An origin is written as it is; of anything else, only the part that looks like an origin."""
    assert masking("full").origin(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("https://app.shop.example.co.uk:8443", "https://example.co.uk"),
        ("http://example.com", "http://example.com"),
        ("https://example.com.", "https://example.com"),
        ("https://user.github.io", "https://user.github.io"),
        ("https://github.io", "https://github.io"),
        ("http://localhost:3000", "http://localhost"),
        ("http://192.0.2.1:8080", "http://192.0.2.1"),
        ("http://[2001:db8::1]:8080", "http://[2001:db8::1]"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        ("null", "null"),
        (None, None),
        ("https://app.example.com/path", UNSET),
    ],
)
def test_site(text: str | None, written: object) -> None:
    """Of an origin, its scheme and registered domain are written, and nothing of what is not an origin."""
    assert masking("site").origin(text) == written


def test_hashed() -> None:
    """A digest is the same for one origin on one day, and another for another origin, on another day, elsewhere."""
    now = [0.0]
    one = masking("hashed", now=lambda: now[0])
    first = one.origin("https://a.example")
    assert isinstance(first, str)
    assert re.fullmatch("[0-9a-f]{16}", first)
    others = [one.origin("https://b.example"), masking("hashed").origin("https://a.example")]
    now[0] = DAY - 1
    assert one.origin("https://a.example") == first
    now[0] = DAY
    others.append(one.origin("https://a.example"))
    assert len({first, *others}) == 4
    assert (one.origin("null"), one.origin(None)) == ("null", None)


@given(text=st.text(max_size=100), form=st.sampled_from(FORMS))
def test_never_a_secret(text: str, form: Form) -> None:
    """Whatever is sent as an origin, nothing of a path, a query, a fragment or user information is written."""
    said: list[str] = []
    for secret in ("https://a.example/S3CRET", "https://a.example?S3CRET", "https://S3CRET@a.example"):
        for origin in (secret + text, text + secret):
            assert "S3CRET" not in str(masking(form, said=said).origin(origin)) or "S3CRET" in text
    assert said == []


def test_a_fault_drops_the_field() -> None:
    """If masking fails, the field is left out, and the first fault is told, without what was to be masked."""
    said: list[str] = []

    def broken() -> float:
        raise ValueError("https://secret.example")

    faulty = masking("hashed", now=broken, said=said)
    assert [faulty.origin("https://secret.example") for _ in range(2)] == [UNSET, UNSET]
    assert said == ["The decision log leaves out an origin that can't be masked (ValueError)"]


@pytest.mark.parametrize(
    ("method", "written"), [("GET", "GET"), ("M-SEARCH", "M-SEARCH"), ("a b", UNSET), ("", UNSET), ("X" * 33, UNSET)]
)
def test_method(method: str, written: object) -> None:
    """A method is written if it is a token that is not too long."""
    assert masking("full").method(method) == written


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-more", TRACE),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        ("secret", None),
    ],
)
def test_trace(header: str, trace: str | None) -> None:
    """The trace id is taken out of a `traceparent` that is one."""
    assert trace_of([header.encode()]) == trace


def test_no_trace() -> None:
    """Without a `traceparent`, or with several, there is no trace id."""
    assert trace_of(None) is None
    assert trace_of([f"00-{TRACE}-00f067aa0ba902b7-01".encode()] * 2) is None
