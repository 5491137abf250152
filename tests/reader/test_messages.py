"""Tests of what a service and its reader say to each other: what arrives is what was sent."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar.match import Match
from cors_service.grammar.pattern import ANY, SetName, read_pattern
from cors_service.policy import InvalidPolicies, PolicyError, read_document, revision
from cors_service.policy.change import Change
from cors_service.policy.model import Policy, Rule
from cors_service.reader.frames import Frames, NotAMessage, decoded, encoded, framed, type_of
from cors_service.reader.messages import Begin, Changed, End, Failed, Load, Part, Refused
from cors_service.reader.parts import IncomingChange, ReaderFailed, parts_of, read_mistakes, write_mistakes
from tests.store.store_texts import document


def sent(messages: list[Any]) -> list[Any]:
    """Send messages and give what arrives."""
    data = b"".join(map(framed, messages))
    return [decoded(message) for message in Frames().take(data)]


def arrived(change: Change) -> Change:
    """Send a change and give what arrives."""
    begin, *parts, end = sent(list(parts_of(change)))
    assert (type(begin), {type(part) for part in parts} - {Part}, end) == (Begin, set(), End())
    assembly = IncomingChange()
    assert [assembly.take(message) for message in (begin, *parts)] == [None] * (1 + len(parts))
    arrived = assembly.take(end)
    assert arrived is not None
    return arrived


@given(st.lists(st.integers(1, 40)), st.lists(st.integers(0, 3000)))
def test_frames(cuts: list[int], sizes: list[int]) -> None:
    """However a stream is cut into pieces, the messages come out whole and in order."""
    messages = [Load("x" * size, everything=size % 2 == 0) for size in sizes]
    data = b"".join(map(framed, messages))
    frames = Frames()
    found: list[bytes] = []
    for cut in cuts:
        found += frames.take(data[:cut])
        data = data[cut:]
    found += frames.take(data)
    assert messages == [decoded(message) for message in found]


# One of each form.
PATTERNS = (
    "https://a.example",
    "null",
    "http://*.b.example:8000-8999",
    "app://c:*",
    "https://{en,*.de}.example",
    "https://app-*-team.e.example",
    "moz-extension://*",
    "http://[fd00::]/8:3000",
    "{http,https}://{f-*.g.example,10.0.0.0/8}",
    "https://www.<tenant>.h.example:*",
    "re:https://[aé]",
    "re:http://.*",
)


def test_change() -> None:
    """A change arrives as it was, with everything that a policy can hold."""
    rule = Rule(
        origins=(SetName("s"), *map(read_pattern, PATTERNS)),
        methods=("*",),
        request_headers=("x-*", "@h"),
        expose_headers=("x-a",),
        credentials=True,
        max_age=5,
        timing=True,
        resource_policy="same-site",
        dangerously_allow=("null-origin",),
    )
    change = Change(
        base="sha256:1",
        revision="sha256:2",
        policies=(
            Policy(name="one", rules=(rule, Rule(origins=(ANY,))), match=(Match("a/"),), preflight_status=200),
            Policy(name="three", rules=(Rule(origins=("https://a.example",)),), static=True),
            Policy(name="four", rules=(Rule(origins=(ANY,), refuse=True),)),
        ),
        removed=("two",),
        origin_sets={"s": ("null",), "t": ("https://t.example",)},
        removed_sets=("u",),
        header_sets={"h": ("x-*", "*"), "s": ("x-a",)},
        removed_header_sets=("v",),
        loaded_at=1.5,
    )
    assert change == arrived(change)


def test_many_parts() -> None:
    """A large change travels in many small messages."""
    policy_set = read_document(document(*(f"policy-{number}" for number in range(1000))))
    change = Change.between(None, None, revision(policy_set), policy_set)
    assert max(len(framed(part)) for part in parts_of(change)) < 100_000
    assert len(list(parts_of(change))) > 5
    assert change == arrived(change)


def test_nothing() -> None:
    """A change of nothing has a beginning and an end."""
    change = Change(base="sha256:1", revision="sha256:1")
    assert len(list(parts_of(change))) == 2
    assert change == arrived(change)


def test_broken_off() -> None:
    """An answer that breaks off is forgotten when another one begins."""
    assembly = IncomingChange()
    first, *_ = parts_of(Change.whole(read_document(document("one"))))
    assembly.take(first)
    assembly.take(
        Part(tuple(read_document(document("one")).policies.values()), {"lost": ("null",)}, {"lost": ("x-a",)})
    )
    change = Change.whole(read_document(document("two")))
    *_, arrived = map(assembly.take, parts_of(change))
    assert change == arrived


@pytest.mark.parametrize(
    "message",
    [Load(None), Changed(), Begin(None, "r", (), (), (), None, None), Part(), End(), Refused("[]"), Failed("")],
    ids=lambda message: type(message).__name__,
)
def test_type(message: Any) -> None:
    """What a message is can be said without reading it."""
    assert type_of(encoded(message)) is type(message)


@pytest.mark.parametrize("data", [b"", b"x", b"\x91\x7f"], ids=repr)
def test_no_type(data: bytes) -> None:
    """What is not a message is said not to be one."""
    with pytest.raises(NotAMessage):
        type_of(data)


def test_failed() -> None:
    """A reader that fails is another matter than policies with mistakes."""
    with pytest.raises(ReaderFailed, match="ZeroDivision"):
        IncomingChange().take(Failed("ZeroDivisionError"))


VALUES = [None, "text", "\udc80", 5, 1 << 80, 1.5, float("nan"), True, [1], {"a": date(2026, 1, 1)}, date(2026, 1, 1)]


def test_mistakes() -> None:
    """Mistakes arrive so that they tell the same, whatever they are about, and whatever files are called."""
    errors = [
        PolicyError(
            "wrong-type",
            f"message {number}",
            hint="Write something else.",
            path=("policies", "a.b", "rules", number),
            value=value,
            file="policies\udc80.toml" if number % 2 else None,
            line=number or None,
        )
        for number, value in enumerate(VALUES)
    ]
    invalid = InvalidPolicies(errors)
    [message] = sent([Refused(write_mistakes(invalid))])
    with pytest.raises(InvalidPolicies) as caught:
        IncomingChange().take(message)
    found = caught.value
    assert found.report() == read_mistakes(message.mistakes).report()
    assert invalid.report() == found.report()
    assert [error.as_dict() for error in errors] == [mistake.as_dict() for mistake in found.mistakes]
    assert [error.path for error in errors] == [mistake.path for mistake in found.mistakes]
