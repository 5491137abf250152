"""Tests of the document that says who may ask: its meaning, and its mistakes, all at once and with their lines."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from cors_service.access import Access, Caller, InvalidAccess, read_access
from cors_service.access.callers import VERBS, Token
from cors_service.access.document import MOST_ENTRIES, read_access_file
from cors_service.access.mistakes import CODES, AccessError

DIGEST = hashlib.sha256(b"secret").hexdigest()
TOKEN = f'[[tokens]]\nname = "ci"\nsha256 = "{DIGEST}"\nverbs = ["decide"]\n'
PERSON = '[[people]]\nperson = "olga@example.com"\nverbs = ["read"]\n'
CERTIFICATE = '[[certificates]]\nsubject = "CN=gateway,O=Example"\nverbs = ["decide", "read"]\n'


def other(number: int) -> str:
    """Another token."""
    return TOKEN.replace('"ci"', f'"ci-{number}"').replace(DIGEST, hashlib.sha256(str(number).encode()).hexdigest())


def mistakes_of(text: str) -> tuple[AccessError, ...]:
    """What is wrong with a document."""
    with pytest.raises(InvalidAccess) as caught:
        read_access(text, "auth.toml")
    return caught.value.mistakes


def test_meaning() -> None:
    """A document gives each token and each certificate its verbs, and the policies that it may ask about."""
    access = read_access(f'{TOKEN}policies = ["team-a-"]\n{CERTIFICATE}')
    ci = Caller(name="ci", verbs=frozenset({"decide"}), policies=("team-a-",))
    gateway = Caller(name="CN=gateway,O=Example", verbs=frozenset({"decide", "read"}))
    assert Access((Token(DIGEST, ci),), {"CN=gateway,O=Example": gateway}) == access


def test_second_person() -> None:
    """A caller may need a second person, which is true or false and nothing else."""
    second = f"{TOKEN}second_person = true\n"
    assert [read_access(text).tokens[0].caller.needs_second for text in (TOKEN, second)] == [False, True]
    [mistake] = mistakes_of(second.replace("true", '"yes"'))
    assert (mistake.code, mistake.message) == ("wrong-type", "This is not true or false.")


def test_find() -> None:
    """A caller is found by its token or by its subject, and nobody by anything else."""
    access = read_access(TOKEN + other(1) + CERTIFICATE)
    found = [access.by_token(token) for token in (b"secret", b"1", b"", b"Secret", DIGEST.encode())]
    assert [caller and caller.name for caller in found] == ["ci", "ci-1", None, None, None]
    subjects = "CN=gateway,O=Example", "CN=gateway", "O=Example,CN=gateway", "", "cn=gateway,O=Example"
    assert [access.by_subject(subject) is not None for subject in subjects] == [True, False, False, False, False]


def test_people() -> None:
    """A person is found by the exact name under which a proxy signs people in."""
    access = read_access(f"{PERSON}second_person = true\n")
    olga = Caller(name="olga@example.com", verbs=frozenset({"read"}), needs_second=True)
    assert [access.by_person(name) for name in ("olga@example.com", "Olga@example.com", "")] == [olga, None, None]
    assert mistakes_of(PERSON + PERSON)[0].code == "duplicate"


def test_every_token_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever token is shown, all hashes are compared, each in constant time, so the time tells nothing."""
    access = read_access(TOKEN + "".join(map(other, range(9))))
    compared: list[tuple[str, str]] = []

    def compare(known: str, shown: str) -> bool:
        compared.append((known, shown))
        return known == shown

    monkeypatch.setattr("cors_service.access.callers.hmac.compare_digest", compare)
    for token in (b"secret", b"8", b"nothing"):
        compared.clear()
        access.by_token(token)
        digest = hashlib.sha256(token).hexdigest()
        assert [(known.digest, digest) for known in access.tokens] == compared


def test_hash_in_upper_case() -> None:
    """The digits of a hash may be of either case."""
    assert read_access(TOKEN.replace(DIGEST, DIGEST.upper())) == read_access(TOKEN)


MISTAKES = {
    "syntax": TOKEN.replace(" = ", " ", 1),
    "missing-key": TOKEN.replace('verbs = ["decide"]', ""),
    "unknown-key": f"{TOKEN}polices = []\n",
    "wrong-type": TOKEN.replace('["decide"]', "2026-11-28"),
    "empty-list": TOKEN.replace('["decide"]', "[]"),
    "too-many": TOKEN + "policies = [" + '"a",\n' * (MOST_ENTRIES + 1) + "]\n",
    "name-malformed": TOKEN.replace('"ci"', '"c i"'),
    "hash-malformed": TOKEN.replace(DIGEST, "secret"),
    "subject-malformed": CERTIFICATE.replace("CN=gateway,O=Example", "gateway"),
    "person-malformed": PERSON.replace("@", " "),
    "prefix-malformed": f'{TOKEN}policies = [""]\n',
    "unknown-verb": TOKEN.replace("decide", "wirte"),
    "duplicate": CERTIFICATE + CERTIFICATE.replace("CN=gateway,O=Example", "2.5.4.3=gateway,O=Example"),
    "nobody": "tokens = []",
}


@pytest.mark.parametrize(("code", "text"), MISTAKES.items(), ids=MISTAKES)
def test_mistakes(code: str, text: str) -> None:
    """Each code is that of one mistake, which names the file and a line."""
    (mistake,) = mistakes_of(text)
    assert (code, "auth.toml") == (mistake.code, mistake.file)
    assert code == "nobody" or mistake.line


def test_every_code_is_made() -> None:
    """The table above has every code but that of files."""
    assert {*MISTAKES, "document-unreadable"} == CODES


def test_all_mistakes_at_once() -> None:
    """Every mistake is told, in the order of the lines, and the last line counts them."""
    text = f'{TOKEN}token = "hunter2"\n{TOKEN}[[certificates]]\nsubject = "x"\n'
    with pytest.raises(InvalidAccess) as caught:
        read_access(text, "auth.toml")
    assert [(mistake.line, mistake.code) for mistake in caught.value.mistakes] == [
        (5, "unknown-key"),
        (7, "duplicate"),
        (8, "duplicate"),
        (10, "missing-key"),
        (11, "subject-malformed"),
    ]
    report = caught.value.report().splitlines()
    assert report[0].startswith("auth.toml:5: tokens[0].token: The key 'token' is unknown.")
    assert report[-1] == "5 mistakes in who may ask."


@pytest.mark.parametrize(
    "text",
    [
        TOKEN.replace(DIGEST, "hunter2"),
        TOKEN.replace(f'"{DIGEST}"', '["hunter2"]'),
        f'{TOKEN}token = "hunter2"\n',
        'tokens = ["hunter2"]\n',
        'tokens = "hunter2"\n',
        TOKEN.replace('"ci"', '"hunter2 "'),
    ],
)
def test_no_secret_is_told(text: str) -> None:
    """Whoever writes a token where something else belongs does not find it in a log or a status."""
    told = "".join(f"{mistake}{mistake.as_dict()}" for mistake in mistakes_of(text))
    assert "hunter2" not in told


@pytest.mark.parametrize("text", ["a" + ".a" * 200_000 + " = 1", f"a = {'[' * 3000}", "a = [" + "[],\n" * 99_999])
def test_bombs(text: str) -> None:
    """What would cost a parser more time or depth than its size suggests is a mistake like any other."""
    assert {"syntax"} == {mistake.code for mistake in mistakes_of(text)}


@pytest.mark.parametrize("kind", ["absent", "directory", "fifo", "text", "large"])
def test_unreadable_files(kind: str, tmp_path: Path) -> None:
    """Whatever is not a regular file of text, and not too large, is a mistake, and nothing waits for it."""
    path = tmp_path / kind
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind != "absent":
        path.write_bytes(b"\xff" if kind == "text" else b"#" * (1 << 21))
    with pytest.raises(InvalidAccess) as caught:
        read_access_file(path)
    assert [("document-unreadable", str(path))] == [(one.code, one.file) for one in caught.value.mistakes]


def test_file(tmp_path: Path) -> None:
    """A file is read as its text is, with or without a byte order mark."""
    path = tmp_path / "auth.toml"
    for mark in ("", "\ufeff"):
        path.write_text(mark + TOKEN, encoding="utf-8")
        assert read_access(TOKEN) == read_access_file(path)


def test_verbs() -> None:
    """There are two verbs for the service, and four more for the admin process."""
    assert VERBS == ("decide", "read", "report", "propose", "approve", "write")
