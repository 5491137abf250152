"""Tests of mistakes as values: what they say, as text and as data, alone and as a group."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.access import AccessError, InvalidAccess
from cors_service.grammar.mistakes import CODES, InvalidDocument, dotted, shown
from cors_service.policy import InvalidPolicies, PolicyError, read_document
from cors_service.suites.mistakes import InvalidSuite, SuiteError

PATH = ("policies", "catalogue", "rules", 1, "origins", 0)


def error(code: str = "syntax", message: str = "Wrong.", **rest: object) -> PolicyError:
    """A mistake."""
    return PolicyError(code, message, **rest)  # type: ignore[arg-type]


TEXTS = {
    "nothing known": (error(), "Wrong. [syntax]"),
    "a hint": (error(hint="Right it."), "Wrong. Right it. [syntax]"),
    "a file": (error(file="a.toml"), "a.toml: Wrong. [syntax]"),
    "a file and a line": (error(file="a.toml", line=3), "a.toml:3: Wrong. [syntax]"),
    "a line": (error(line=3), "3: Wrong. [syntax]"),
    "a path": (error(path=PATH), "policies.catalogue.rules[1].origins[0]: Wrong. [syntax]"),
    "everything": (
        error("origin-uppercase", hint="Right it.", path=PATH[:2], value="X", file="a.toml", line=3),
        "a.toml:3: policies.catalogue: Wrong. Right it. [origin-uppercase]",
    ),
}


@pytest.mark.parametrize(("mistake", "expected"), TEXTS.values(), ids=TEXTS)
def test_text(mistake: PolicyError, expected: str) -> None:
    """A mistake is one line: its place as far as it is known, what is wrong, what to write instead, the code."""
    assert expected == str(mistake)


def test_attributes() -> None:
    """A mistake is typed data."""
    mistake = error("wrong-type", "No.", hint="Yes.", path=PATH, value=5, file="a.toml", line=3)
    expected = ("wrong-type", "No.", "Yes.", PATH, 5, "a.toml", 3)
    assert expected == (
        mistake.code,
        mistake.message,
        mistake.hint,
        mistake.path,
        mistake.value,
        mistake.file,
        mistake.line,
    )
    assert dotted(PATH) == mistake.where


def test_closed_codes() -> None:
    """There is no mistake with a code that is not documented."""
    assert "origin-odd" not in CODES
    with pytest.raises(AssertionError, match="origin-odd"):
        error("origin-odd")


def test_as_dict() -> None:
    """A mistake as data has JSON types, and its path as people write it."""
    mistake = error("wrong-type", "No.", hint="Yes.", path=PATH, value="x", file="a.toml", line=3)
    expected = {
        "code": "wrong-type",
        "message": "No.",
        "hint": "Yes.",
        "path": "policies.catalogue.rules[1].origins[0]",
        "value": "x",
        "file": "a.toml",
        "line": 3,
    }
    assert expected == mistake.as_dict()


PLAIN = {
    "a string": ("x", "x"),
    "half a character": ("a\ud800", r"a\ud800"),
    "a number": (5, 5),
    "the largest number that every reader can read": (2**53 - 1, 2**53 - 1),
    "a larger number": (2**53, "9007199254740992"),
    "a larger negative number": (-(2**53), "-9007199254740992"),
    "a boolean": (True, True),
    "nothing": (None, None),
    "a number with a point": (0.5, "0.5"),
    "not a number": (float("nan"), "nan"),
    "a list": (["x"], "[...]"),
    "an empty list": ([], "[]"),
    "a table": ({"password": "secret"}, "{...}"),
    "a long string": ("a" * 10**6, f"{'a' * 77}..."),
    "a URL with a password": ("postgres://user:secret@host/a", "postgres://***@host/a"),
    "a date": (date(1979, 5, 27), "datetime.date(1979, 5, 27)"),
}


@pytest.mark.parametrize(("value", "expected"), PLAIN.values(), ids=PLAIN)
def test_value_as_dict(value: object, expected: object) -> None:
    """A value that every reader of JSON can read is given as it is; of any other, its text."""
    actual = error(value=value).as_dict()["value"]
    assert expected == actual
    assert type(expected) is type(actual)


SECRETS = {
    "a user and a password": "postgres://user:secret@host/name",
    "a user": "https://secret@host",
    "a password with an at sign": "postgres://user:sec@secret@host",
    "a password with a slash": "postgres://user:secret/secret@host/name",
    "a password with a question mark": "postgres://user:secret?secret@host",
    "a password with a quote": "postgres://user:secret'secret@host",
    "a password that is longer than a message": f"postgres://user:{'secret' * 200}@host",
    "a URL within a text": "a = 'redis://:secret@host:1' # 'amqp://u:secret@host'",
    "no scheme": "//user:secret@host",
}
IN_VALUES = {
    "no slashes": "https:user:secret@host",
    "one slash": "https:/user:secret@host",
    "backslashes": "https:\\\\user:secret@host",
    "no more than that": "user:secret@host",
    "a blank": "https://user:secret secret@host",
    "a line end": "https://user:secret\nsecret@host",
    "a tab": "https://user:secret\tsecret@host",
    "a line separator": "https://user:secret\u2028secret@host",
    "a blank at the end": "https://user:secret @host",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_passwords_are_never_told(text: str) -> None:
    """Wherever a URL with a user and a password stands in a mistake, neither the text nor the values tell them."""
    mistake = error(message=f"{shown(text)} is {text}.", hint=text, path=(text,), value=text, file=text)
    for told in (str(mistake), json.dumps(mistake.as_dict()), shown(text), shown(text.encode("ascii"))):
        assert "secret" not in told
    assert "host" in str(mistake)


@pytest.mark.parametrize("text", IN_VALUES.values(), ids=IN_VALUES)
def test_odd_passwords_are_never_told(text: str) -> None:
    """A value is no sentence: a password in it may have blanks, and what comes before it may be odd."""
    mistake = error(message=f"{shown(text)} is wrong.", hint=text, path=(text,), value=text)
    for told in (str(mistake), json.dumps(mistake.as_dict()), shown(text), shown(text.encode())):
        assert "secret" not in told


@pytest.mark.parametrize("text", ["https://user:Secret@host", "user:secret@host"])
def test_no_hint_made_of_a_password(text: str) -> None:
    """A hint that corrects a name with a password in it would tell the password without its URL."""
    with pytest.raises(InvalidPolicies) as caught:
        read_document({"version": 1, "policies": {text: {"origins": ["*"]}}})
    [mistake] = caught.value.mistakes
    assert "secret" not in json.dumps(mistake.as_dict()).lower()


def test_no_hint_with_a_hole() -> None:
    """A hint that would tell a password is left out: with something else in its place, it would be wrong."""
    assert error(hint='Write "re:http://user:secret@[a-z]+".').hint == ""


@pytest.mark.parametrize("text", ["https://api.example.com/@me", "a@b.example", "@set", "https://a.example"])
def test_what_is_no_password_stays(text: str) -> None:
    """An at sign elsewhere than in the authority of a URL hides nothing."""
    assert text == error(value=text).as_dict()["value"]
    assert repr(text) == shown(text)


def test_tables_are_not_shown() -> None:
    """A message about a table or a list repeats nothing of it, however deep and large it is."""
    assert shown({"password": "secret"}) == "{...}"
    assert shown([["secret"] * 10**5]) == "[...]"


def test_bounded() -> None:
    """However long what was read, a mistake is short."""
    long = "a/" * 10**5
    mistake = error(message=long, hint=long, path=(long,), value=long)
    assert len(json.dumps(mistake.as_dict())) < 1200
    assert len(str(mistake)) < 1200


def test_huge_value_as_dict() -> None:
    """Whatever the value, a mistake can be written as JSON."""
    assert len(json.dumps(error(value=10**5000).as_dict())) < 200


DOTTED = {
    "the root": ((), ""),
    "a key": (("version",), "version"),
    "keys and indices": (PATH, "policies.catalogue.rules[1].origins[0]"),
    "an index first": ((0, "a"), "[0].a"),
    "hyphens and underscores": (("a-b", "c_d"), "a-b.c_d"),
    "a dot in a key": (("policies", "a.b"), "policies.'a.b'"),
    "a blank in a key": (("a b",), "'a b'"),
    "a digit first": (("policies", "1a"), "policies.'1a'"),
    "an empty key": (("policies", ""), "policies.''"),
    "a control character in a key": (("a\n",), r"'a\n'"),
    "a letter beyond ASCII": (("é",), "'é'"),
}


@pytest.mark.parametrize(("path", "expected"), DOTTED.values(), ids=DOTTED)
def test_dotted(path: tuple[str | int, ...], expected: str) -> None:
    """A path is written as people do it: dots, brackets, and quotes where a key is odd."""
    assert expected == dotted(path)


SHOWN = {
    "a string": ("a", "'a'"),
    "a number": (5, "5"),
    "a letter beyond ASCII": ("é", r"'\xe9'"),
    "a line end": ("a\r\nb", r"'a\r\nb'"),
    "an escape sequence": ("\x1b[2J", r"'\x1b[2J'"),
    "a line separator": ("\u2028", r"'\u2028'"),
    "a change of direction": ("\u202e", r"'\u202e'"),
    "half a character": ("\ud800", r"'\ud800'"),
    "as long as may be": ("a" * 78, f"'{'a' * 78}'"),
    "too long": ("a" * 79, f"'{'a' * 76}..."),
}


@pytest.mark.parametrize(("value", "expected"), SHOWN.values(), ids=SHOWN)
def test_shown(value: object, expected: str) -> None:
    """A value is escaped to ASCII, and cut to 80 characters."""
    assert expected == shown(value)


def test_shown_at_most() -> None:
    """A value may be cut shorter."""
    assert shown("a" * 100, 10) == "'aaaaaa..."


@pytest.mark.parametrize("value", [10**5000, -(16**5000)], ids=["decimal", "hexadecimal"])
def test_shown_number(value: object) -> None:
    """A number may be of any size."""
    assert len(shown(value)) <= 80


@given(st.text(), st.text(), st.lists(st.text() | st.integers(0, 9)))
def test_one_line(value: str, file: str, path: list[str | int]) -> None:
    """No value, path or name of a file can forge a line of a log, or move the cursor of a terminal."""
    mistake = error(message=f"{shown(value)} is wrong.", path=tuple(path), value=value, file=file, line=1)
    assert str(mistake).isprintable()


FIRST = error("syntax", "First.", file="a.toml", line=1)
SECOND = error("wrong-type", "Second.", file="a.toml", line=2)
THIRD = error("syntax", "Third.", file="b.toml")


def test_group() -> None:
    """All mistakes of a set are raised at once, as an exception group."""
    group = InvalidPolicies([FIRST, SECOND])
    assert isinstance(group, ExceptionGroup)
    assert group.exceptions == (FIRST, SECOND)
    assert group.mistakes == (FIRST, SECOND)


def test_except_star() -> None:
    """Mistakes can be caught one by one."""
    caught: list[str] = []
    try:
        raise InvalidPolicies([FIRST, SECOND])
    except* PolicyError as found:
        caught += [str(mistake) for mistake in found.exceptions]
    assert caught == [str(FIRST), str(SECOND)]


def test_no_mistakes() -> None:
    """There are no invalid policies without a mistake."""
    with pytest.raises(ValueError, match="non-empty"):
        InvalidPolicies([])


def test_report() -> None:
    """A report has a line for each mistake, and one that counts them."""
    assert InvalidPolicies([FIRST]).report() == "a.toml:1: First. [syntax]\n1 mistake in the policies."
    expected = "a.toml:1: First. [syntax]\na.toml:2: Second. [wrong-type]\n2 mistakes in the policies."
    assert expected == InvalidPolicies([FIRST, SECOND]).report()


def test_text_of_a_group() -> None:
    """The text of a group, which is what a log shows, counts the mistakes."""
    assert "2 mistakes in the policies" in str(InvalidPolicies([FIRST, SECOND]))


def test_split() -> None:
    """What is split off a group is such a group, and so is the rest."""
    part, rest = InvalidPolicies([FIRST, SECOND, THIRD]).split(lambda mistake: getattr(mistake, "code", "") == "syntax")
    assert isinstance(part, InvalidPolicies)
    assert isinstance(rest, InvalidPolicies)
    assert part.report() == f"{FIRST}\n{THIRD}\n2 mistakes in the policies."
    assert rest.mistakes == (SECOND,)


def test_subgroup() -> None:
    """What is taken out of a group is such a group, or nothing."""
    group = InvalidPolicies([FIRST, SECOND, THIRD])
    part = group.subgroup(lambda mistake: mistake is THIRD)
    assert isinstance(part, InvalidPolicies)
    assert part.mistakes == (THIRD,)
    assert group.subgroup(lambda mistake: mistake is None) is None


@pytest.mark.parametrize(
    ("group", "last"),
    [
        (InvalidPolicies([FIRST, THIRD], 3), "5 mistakes in the policies; these are the first 2."),
        (
            InvalidAccess([AccessError("syntax", "It is wrong."), AccessError("nobody", "It is empty.")]),
            "2 mistakes in who may ask.",
        ),
        (InvalidSuite([SuiteError("syntax", "It is wrong.")]), "1 mistake in the suite."),
    ],
    ids=["policies", "access", "suite"],
)
def test_groups_of_every_document(group: InvalidDocument, last: str) -> None:
    """The mistakes of each kind of document are reported alike, and stay a group of their kind when it is split."""
    assert group.report().splitlines() == [*map(str, group.exceptions), last]
    part, rest = group.split(lambda mistake: mistake is group.mistakes[0])
    assert type(part) is type(group)
    assert part.mistakes == group.mistakes[:1]
    assert rest is None or type(rest) is type(group)


def test_cause_is_kept() -> None:
    """What led to a group is kept by what is split off it."""
    group = InvalidPolicies([FIRST, SECOND])
    group.__cause__ = OSError("gone")
    part = group.subgroup(lambda mistake: mistake is FIRST)
    assert part is not None
    assert part.__cause__ is group.__cause__
