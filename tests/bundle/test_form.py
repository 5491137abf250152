"""The file of a bundle is the same bytes for the same change, and anything else is refused in a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.bundle.form import Bundle, read_bundle, write_bundle
from cors_service.bundle.refusals import BundleRefused
from cors_service.ledger.entry import Key
from tests.bundle.bundles import bundle, shop
from tests.examples import examples


def test_round_trip() -> None:
    """What was written is read again."""
    one = bundle(7, shop="https://shop.example.com", pay="https://pay.example.com")
    assert read_bundle(write_bundle(one)) == one


def test_same_bytes() -> None:
    """In whatever order the definitions come, the bytes are the same."""
    one = bundle(7, shop="https://shop.example.com", pay="https://pay.example.com")
    turned = Bundle(one.head, dict(reversed(list(one.bodies.items()))))
    assert write_bundle(one) == write_bundle(turned)


def test_every_kind() -> None:
    """Sets are in it as policies are."""
    bodies: dict[Key, Any] = {
        Key("policy", "shop"): {"origins": ["@partners"], "request_headers": ["@ours"]},
        Key("origin-set", "partners"): ["https://a.example"],
        Key("header-set", "ours"): ["x-ours"],
    }
    one = Bundle(shop(1).head, bodies)
    assert read_bundle(write_bundle(one)).bodies == bodies


WRITTEN = json.loads(write_bundle(shop(1)))


def numbered(seq: int) -> bytes:
    """Write a bundle by hand, with any number."""
    return json.dumps({**WRITTEN, "head": {**WRITTEN["head"], "seq": seq}}).encode()


def test_largest_number() -> None:
    """The largest number of a change is the largest one that every program reads exactly."""
    assert read_bundle(numbered(2**53 - 1)).head.seq == 9007199254740991


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "This is not a bundle: "),
        (b"<!DOCTYPE html>", "This is not a bundle: it looks like a web page."),
        (b"[" * 100_000, "This is not a bundle: "),
        (b"\xff", "This is not a bundle: "),
        (b"{}", "This is not a bundle: "),
        (json.dumps({**WRITTEN, "more": 1}).encode(), "This is not a bundle: "),
        (json.dumps({**WRITTEN, "document": []}).encode(), "This is not a bundle: "),
        (json.dumps({**WRITTEN, "document": {"version": 2}}).encode(), "written for a later version"),
        (json.dumps({**WRITTEN, "head": {**WRITTEN["head"], "format": 2}}).encode(), "its format is 2"),
        (numbered(2**53), "This is not a bundle: "),
        (numbered(2**64 - 1), "This is not a bundle: "),
        (numbered(20261130050312123456789), "This is not a bundle: "),
        (numbered(-1), "This is not a bundle: "),
        (json.dumps({**WRITTEN, "document": {"version": 1, "polices": {}}}).encode(), "the unknown key 'polices'"),
        (json.dumps({**WRITTEN, "document": {"version": 1, "policies": []}}).encode(), "policies is not a table"),
    ],
)
def test_refused(data: bytes, says: str) -> None:
    """What is not a bundle is refused in a sentence that says what it is."""
    with pytest.raises(BundleRefused) as refused:
        read_bundle(data)
    assert says in str(refused.value)
    assert refused.value.code == "bundle-malformed"
    assert str(refused.value).isprintable()


@examples(100)
@given(
    st.binary()
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda one: json.dumps(one).encode())
)
def test_anything(data: bytes) -> None:
    """Whatever is in the file, it is read or refused."""
    with pytest.raises(BundleRefused):
        read_bundle(data)
