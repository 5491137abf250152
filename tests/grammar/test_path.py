"""Tests of the form of paths in which they are compared with matches."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar.path import encode_bytes, fold_path

CHARS = [chr(code) for code in range(1, 129)]

PATHS = {
    "the root": ("/", "/"),
    "segments": ("/a/b", "/a/b"),
    "a slash at the end": ("/a/b/", "/a/b/"),
    "nothing": ("", ""),
    "all characters": ("/Az09._~!$&'()*+,;=:@|[]^-", "/Az09._~!$&'()*+,;=:@|[]^-"),
    "path parameters": ("/a;v=1/b", "/a;v=1/b"),
    "an encoded blank, which stays": ("/a%20b", "/a%20b"),
    "an encoded percent sign, which stays": ("/a%2541", "/a%2541"),
    "encoded UTF-8": ("/%C3%a9", "/%C3%A9"),
    "an IRI": ("/\u00e9/\u65e5\U0001f600", "/%C3%A9/%E6%97%A5%F0%9F%98%80"),
    "bytes that are not UTF-8": ("/caf%e9", "/caf%E9"),
    "an encoded semicolon, which stays": ("/a%3Bb", "/a%3Bb"),
    "encoded characters of a match": (
        "/%21%24%26%27%28%29%2B%2c%3D%3a%40%7E",
        "/!$&'()+,=:@~",
    ),
    "what browsers encode": ('/"<{`}>', "/%22%3C%7B%60%7D%3E"),
    "what ends a path": ("/a?b#c", "/a%3Fb%23c"),
    "dot segments, which stay": ("/a/./../..;x/b", "/a/./../..;x/b"),
    "empty segments, which stay": ("//a//", "//a//"),
    "an encoded slash, which stays": ("/a%2fb", "/a%2Fb"),
    "an encoded backslash, which stays": ("/a%5Cb", "/a%5Cb"),
    "a backslash, which stays": ("/a\\b", "/a\\b"),
    "encoded dots, which stay": ("/%2e%2e/a", "/%2E%2E/a"),
    "an encoded letter, which stays": ("/%61dmin", "/%61dmin"),
    "a percent sign, which stays": ("/a%", "/a%"),
    "an escape cut off, which stays": ("/a%2", "/a%2"),
    "an escape that is none, which stays": ("/a%zz", "/a%zz"),
    "a blank, which stays": ("/a b", "/a b"),
    "an encoded NUL": ("/a%00", None),
    "an encoded line end": ("/me%0A", None),
    "an encoded line end in lower case": ("/me%0d%0a", None),
    "an encoded tab": ("/%09me", None),
    "an encoded DEL": ("/me%7F", None),
    "a control character": ("/a\x01", None),
    "a line end": ("/a\n", None),
    "half a character": ("/\udc80", None),
    "what was not UTF-8": ("/\ufffd", None),
}


@pytest.mark.parametrize(("path", "expected"), PATHS.values(), ids=PATHS)
def test_fold_path(path: str, expected: str | None) -> None:
    """A path is encoded as browsers do, with the punctuation of matches decoded; one that can't be read is refused."""
    assert expected == fold_path(path)


def test_characters_of_a_path() -> None:
    """What may stand in a path stays, browsers' own characters are encoded, and control characters are refused."""
    found = {char: fold_path(f"/x{char}x") for char in CHARS}
    assert "".join(char for char, path in found.items() if path is None) == "".join(map(chr, range(1, 32))) + "\x7f"
    stay = string.ascii_letters + string.digits + " !$%&'()*+,-./:;=@[\\]^_|~"
    assert {char for char, path in found.items() if path == f"/x{char}x"} == set(stay)
    encoded = {char: path for char, path in found.items() if path is not None and char not in stay}
    assert encoded == {char: "".join(["/x", *(f"%{byte:02X}" for byte in char.encode()), "x"]) for char in encoded}


@pytest.mark.parametrize("digits", ["{:02X}", "{:02x}"])
def test_escape_in_a_path(digits: str) -> None:
    """An escape is folded where a match may hold the character and clients encode it, refused if it controls."""
    folded, refused = "", ""
    for code in range(256):
        escape = f"%{digits.format(code)}"
        found = fold_path(f"/x{escape}x")
        if found is None:
            refused += chr(code)
        elif found == f"/x{chr(code)}x":
            folded += chr(code)
        else:
            assert found == f"/x{escape.upper()}x"
    assert folded == "!$&'()+,:=@~"
    assert refused == "".join(map(chr, range(0x20))) + "\x7f"


@given(st.text() | st.text("/.;%abcdefABCDEF0123456789~! \u00e9", max_size=12).map("/".__add__))
def test_folded_path(path: str) -> None:
    """Folding a path again changes nothing, and it is ASCII."""
    folded = fold_path(path)
    if folded is not None:
        assert folded.isascii()
        assert folded == fold_path(folded)


@given(st.text(st.sampled_from("Az09._~!$&'()+,=:@-\u00e9"), min_size=1, max_size=6))
def test_encoded_match_is_found(segment: str) -> None:
    """A segment that may stand in a match is the same where a client encodes all of its punctuation."""
    encoded = "".join(
        char if char.isalnum() or char in "._-" else "".join(f"%{byte:02x}" for byte in char.encode())
        for char in segment
    )
    assert fold_path(f"/{segment}/") == fold_path(f"/{encoded}/")


@given(st.binary())
def test_bytes(path: bytes) -> None:
    """Bytes beyond ASCII in a request line are encoded each, all others stay."""
    text = encode_bytes(path)
    assert text == "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in path)
