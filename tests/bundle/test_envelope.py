"""An envelope is taken for what it is: nothing that was changed, of others, too old or too new is."""

from __future__ import annotations

import base64
import json
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.bundle.envelope import (
    LONGEST,
    MOST_SIGNATURES,
    PAYLOAD_TYPE,
    Trust,
    check_times,
    read_envelope,
    read_stated,
    sign_also,
    statement_about,
    verified,
    write_envelope,
)
from cors_service.bundle.form import write_bundle
from cors_service.bundle.keys import new_key, read_signer, read_trust
from cors_service.bundle.refusals import BundleRefused, KeyUnusable
from tests.bundle.bundles import HOUR, KeyPair, now, sealed, shop
from tests.examples import examples

ONE = shop(7)
DATA = write_bundle(ONE)


def refused(envelope: bytes, keys: list[KeyPair], threshold: int = 1) -> BundleRefused:
    """Have an envelope refused, and give why."""
    with pytest.raises(BundleRefused) as info:
        verified(envelope, read_trust([key.public for key in keys], threshold))
    assert str(info.value).isprintable()
    return info.value


def test_taken(key: KeyPair) -> None:
    """What a known key has signed says which file it is about, and from when until when."""
    statement = verified(sealed(DATA, ONE.head, [key]), read_trust([key.public], 1))
    assert statement.head == ONE.head
    check_times(statement, now())
    assert read_stated(statement, DATA) == ONE


def test_as_dsse_says(key: KeyPair, tmp_path: Path) -> None:
    """OpenSSL finds the signature right over the bytes that DSSE 1.0 says are signed."""
    envelope = json.loads(sealed(DATA, ONE.head, [key]))
    payload = base64.b64decode(envelope["payload"])
    assert envelope["payloadType"] == PAYLOAD_TYPE
    message = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key.public), "-rawin", "-in", "message"]
    done = subprocess.run([*words, "-sigfile", "signature"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "Signature Verified Successfully\n"), done.stderr


# Who has signed.


def test_unknown_key(key: KeyPair, other: KeyPair) -> None:
    """A signature by a key that nobody named is none, and the sentence names the key."""
    error = refused(sealed(DATA, ONE.head, [other]), [key])
    assert error.code == "bundle-key-unknown"
    assert other.name[:12] in str(error)


def test_no_signature(key: KeyPair) -> None:
    """An envelope without signatures is refused."""
    assert refused(sealed(DATA, ONE.head, []), [key]).code == "bundle-unsigned"


def test_foreign_signature(key: KeyPair, other: KeyPair) -> None:
    """A signature of another key does not become that of a known one by its name."""
    envelope = json.loads(sealed(DATA, ONE.head, [other]))
    envelope["signatures"][0]["keyid"] = key.name
    error = refused(json.dumps(envelope).encode(), [key])
    assert error.code == "bundle-signature-wrong"


def test_threshold(key: KeyPair, other: KeyPair) -> None:
    """As many different keys as the threshold says must have signed, and each counts once."""
    one, both = sealed(DATA, ONE.head, [key]), sealed(DATA, ONE.head, [key, other])
    trust = read_trust([key.public, other.public], 2)
    assert verified(both, trust).head == ONE.head
    assert verified(one, read_trust([key.public, other.public], 1)).head == ONE.head
    assert refused(one, [key, other], 2).code == "bundle-unsigned"
    twice = json.loads(one)
    twice["signatures"] *= 2
    assert refused(json.dumps(twice).encode(), [key, other], 2).code == "bundle-unsigned"


def test_keys_are_exchanged(key: KeyPair, other: KeyPair) -> None:
    """What an old and a new key have signed is taken by who knows the old one, the new one or both."""
    both = sealed(DATA, ONE.head, [key, other])
    for known in ([key], [other], [key, other]):
        assert verified(both, read_trust([one.public for one in known], 1)).head == ONE.head


def test_added_signature(key: KeyPair, other: KeyPair) -> None:
    """A second person adds a signature to the same statement; signing again adds none."""
    envelope = read_envelope(sealed(DATA, ONE.head, [key]))
    added = sign_also(envelope, dict([read_signer(other.private)]))
    assert verified(write_envelope(added), read_trust([key.public, other.public], 2)).head == ONE.head
    assert sign_also(added, dict([read_signer(key.private)])) == added


@pytest.mark.parametrize(
    ("threshold", "says"),
    [(0, "The threshold is 0, and there is one key."), (2, "The threshold is 2, and there is one key.")],
)
def test_impossible_threshold(key: KeyPair, threshold: int, says: str) -> None:
    """A threshold that can't be reached, by a key that is named twice for example, is a mistake."""
    with pytest.raises(KeyUnusable) as error:
        read_trust([key.public, key.public], threshold)
    assert says == str(error.value)


# What is in the files of keys.


def test_files_that_hold_no_key(key: KeyPair, tmp_path: Path) -> None:
    """What is not the key that is asked for is refused in a sentence that shows nothing of it."""
    wrong = {
        "absent": None,
        "empty": b"",
        "text": b"-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----\n",
        "private": key.private.read_bytes(),
        "large": b"s" * 100_000,
    }
    for name, content in wrong.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(KeyUnusable) as error:
            read_trust([path], 1)
        assert name in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(KeyUnusable):
        read_signer(key.public)


@pytest.mark.parametrize("kind", [["-algorithm", "ed25519", "-aes256", "-pass", "pass:x"], ["-algorithm", "x25519"]])
def test_other_private_keys(kind: list[str], tmp_path: Path) -> None:
    """An encrypted key, or one of another kind, is refused."""
    path = tmp_path / "key"
    subprocess.run(["openssl", "genpkey", *kind, "-out", path], capture_output=True, check=True)
    with pytest.raises(KeyUnusable):
        read_signer(path)


@pytest.mark.parametrize("kind", ["x25519", "ed448", "rsa"])
def test_other_public_keys(kind: str, tmp_path: Path) -> None:
    """A public key of another kind is refused in a sentence, before there is anything to verify."""
    private, public = tmp_path / "key", tmp_path / "key.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", kind, "-out", private], capture_output=True, check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], capture_output=True, check=True)
    with pytest.raises(KeyUnusable, match="has a key of another kind than Ed25519"):
        read_trust([public], 1)


def test_keys_of_openssl(tmp_path: Path) -> None:
    """A key that OpenSSL has made is as good."""
    private, public = tmp_path / "key", tmp_path / "key.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], capture_output=True, check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], capture_output=True, check=True)
    pair = KeyPair(private, public)
    assert verified(sealed(DATA, ONE.head, [pair]), read_trust([public], 1)).head == ONE.head


def test_keys_differ() -> None:
    """No key is made twice."""
    assert new_key() != new_key()


# When.


@pytest.mark.parametrize(
    ("begins", "ends", "code"),
    [
        (-2 * HOUR, -HOUR, "bundle-expired"),
        (-2 * HOUR, timedelta(seconds=-2), "bundle-expired"),
        (HOUR, 2 * HOUR, "bundle-not-yet-valid"),
        (timedelta(seconds=90), 2 * HOUR, "bundle-not-yet-valid"),
    ],
)
def test_other_times(key: KeyPair, begins: timedelta, ends: timedelta, code: str) -> None:
    """A bundle that has expired, or is not valid yet, is refused."""
    statement = verified(sealed(DATA, ONE.head, [key], begins=begins, ends=ends), read_trust([key.public], 1))
    with pytest.raises(BundleRefused) as error:
        check_times(statement, now())
    assert error.value.code == code


def test_the_last_moment(key: KeyPair) -> None:
    """A bundle is taken until the moment at which it expires, and not at that moment."""
    statement = verified(sealed(DATA, ONE.head, [key]), read_trust([key.public], 1))
    ends = datetime.fromisoformat(statement.expires)
    check_times(statement, ends - timedelta(microseconds=1))
    with pytest.raises(BundleRefused):
        check_times(statement, ends)


def test_clocks_differ_a_little(key: KeyPair) -> None:
    """A bundle that was just signed is taken by a machine whose clock is some seconds behind."""
    statement = verified(sealed(DATA, ONE.head, [key], begins=timedelta(seconds=30)), read_trust([key.public], 1))
    check_times(statement, now())


def test_clocks_are_an_hour_apart(key: KeyPair) -> None:
    """Where the clock of the machine is the reason, the sentence says how far it is off."""
    trust, moment = read_trust([key.public], 1), datetime(2026, 11, 29, tzinfo=UTC)
    early = verified(sealed(DATA, ONE.head, [key], begins=timedelta(), at=moment), trust)
    with pytest.raises(BundleRefused) as error:
        check_times(early, moment - HOUR, moment)
    assert "becomes valid in 1 hour" in str(error.value)
    assert "The clock of this machine is 1 hour behind that of the web server: set the clocks." in str(error.value)
    late = verified(sealed(DATA, ONE.head, [key], ends=HOUR / 2, at=moment), trust)
    with pytest.raises(BundleRefused) as error:
        check_times(late, moment + HOUR, moment)
    assert "expired 30 minutes ago" in str(error.value)
    assert "The clock of this machine is 1 hour ahead of that of the web server: set the clocks." in str(error.value)
    with pytest.raises(BundleRefused) as error:
        check_times(late, moment + HOUR, moment + HOUR)
    assert "Sign it again." in str(error.value)


# What was changed.


def test_other_file(key: KeyPair) -> None:
    """An envelope vouches for no other file: not for another change, and not for one with more behind it."""
    statement = verified(sealed(DATA, ONE.head, [key]), read_trust([key.public], 1))
    for data in (write_bundle(shop(8)), DATA + b" ", DATA[:-1], b""):
        with pytest.raises(BundleRefused) as error:
            read_stated(statement, data)
        assert error.value.code == "bundle-changed"


def test_other_head(key: KeyPair) -> None:
    """A statement that names another change than its file is refused, whoever has signed it."""
    statement = verified(sealed(DATA, shop(8).head, [key]), read_trust([key.public], 1))
    with pytest.raises(BundleRefused) as error:
        read_stated(statement, DATA)
    assert error.value.code == "bundle-changed"


@pytest.fixture(scope="module")
def signed_by_both(key: KeyPair, other: KeyPair) -> tuple[bytes, Trust]:
    """Give an envelope that two keys have signed, and who asks for both."""
    return sealed(DATA, ONE.head, [key, other]), read_trust([key.public, other.public], 2)


@examples(300)
@given(st.data())
def test_any_changed_byte(signed_by_both: tuple[bytes, Trust], data: st.DataObject) -> None:
    """Whichever byte of an envelope is changed, it is refused, or says the same: a blank is no content."""
    envelope, trust = signed_by_both
    changed = bytearray(envelope)
    changed[data.draw(st.integers(0, len(envelope) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(BundleRefused):
        assert verified(bytes(changed), trust) == verified(envelope, trust)


@examples(300)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_file(key: KeyPair, place: int, change: int) -> None:
    """Whichever byte of a bundle is changed, it is refused."""
    changed = bytearray(DATA)
    changed[place] ^= change
    statement = statement_about(DATA, ONE.head, now(), now() + HOUR)
    with pytest.raises(BundleRefused) as error:
        read_stated(statement, bytes(changed))
    assert error.value.code == "bundle-changed"


def with_payload(key: KeyPair, payload: bytes, kind: str = PAYLOAD_TYPE) -> bytes:
    """An envelope about anything, with a right signature."""
    _, sign = read_signer(key.private)
    signature = sign(b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload))
    told: dict[str, Any] = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"keyid": key.name, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(told).encode()


def test_other_statements(key: KeyPair) -> None:
    """What a known key has signed for another purpose, or in another form, is not taken for a statement."""
    good = json.loads(base64.b64decode(json.loads(sealed(DATA, ONE.head, [key]))["payload"]))
    assert refused(with_payload(key, json.dumps(good).encode(), "application/other"), [key]).code == "bundle-malformed"
    for change in ({"expires": "tomorrow"}, {"expires": "2026-13-01T00:00:00Z"}, {"length": "1"}, {"head": None}):
        error = refused(with_payload(key, json.dumps(good | change).encode()), [key])
        assert error.code == "bundle-malformed"
    assert refused(with_payload(key, b"\xff"), [key]).code == "bundle-malformed"


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"<html>",
        b"[]",
        b"[" * 60_000,
        b" " * (LONGEST + 1),
        json.dumps({"payload": "!", "payloadType": PAYLOAD_TYPE, "signatures": []}).encode(),
        json.dumps(
            {
                "payload": "",
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"keyid": "", "sig": ""}] * (MOST_SIGNATURES + 1),
            }
        ).encode(),
    ],
    ids=["empty", "page", "list", "nested", "large", "not base64", "many signatures"],
)
def test_not_an_envelope(key: KeyPair, envelope: bytes) -> None:
    """What is not an envelope is refused in a sentence."""
    assert refused(envelope, [key]).code == "bundle-malformed"
