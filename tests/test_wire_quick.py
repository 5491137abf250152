"""What is read in a quicker way is what is read in the strict one, mistakes and their words included."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from cors_service.decision import BadQuery, Query
from cors_service.wire.json_text import parse_json
from cors_service.wire.queries import read_query, read_query_text, split_queries
from tests.examples import examples


class Object(list[tuple[str, Any]]):
    """The names and values of an object of JSON, in which a name may stand twice."""


# Values that are taken and values that are not, and strings that look like names, colons and escapes.
TEXTS = st.sampled_from(["GET", "OPTIONS", "", "a", ":", '":', '"method":', "\\", "é", "\x00", "\ud800", '{"a":1}'])
VALUES = st.none() | TEXTS | st.integers() | st.booleans() | st.lists(TEXTS, max_size=2)
HEADER_NAMES = st.sampled_from(
    ["Origin", "origin", "Access-Control-Request-Method", "access-control-request-headers", "x"]
)
HEADERS = (
    st.lists(st.tuples(HEADER_NAMES, TEXTS | VALUES), max_size=4)
    | st.lists(st.tuples(HEADER_NAMES, TEXTS), max_size=4).map(Object)
    | VALUES
)
SPACES = st.sampled_from(["", "", " ", "\n\t"])


def written(value: Any, space: str) -> str:
    """JSON with spaces wherever there may be some; lists of the class Object are objects, names repeated or not."""
    if isinstance(value, Object):
        pairs = [f"{space}{json.dumps(name)}{space}:{space}{written(one, space)}{space}" for name, one in value]
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{space}{','.join(written(one, space) for one in value)}{space}]"
    return json.dumps(value, ensure_ascii=False)


@st.composite
def query_texts(draw: st.DrawFn) -> bytes:
    """Texts of queries, good and bad: fields of any type, in any order, unknown and repeated ones."""
    fields: list[tuple[str, Any]] = [("method", draw(TEXTS))] if draw(st.integers(0, 9)) else []
    names = st.sampled_from(["policy", "url", "origin", "headers", "method", "more", "meth\u006fd"])
    chosen = draw(st.lists(names, max_size=4, unique=draw(st.booleans())))
    fields += [(name, draw(HEADERS if name == "headers" else TEXTS | VALUES)) for name in chosen]
    text = written(Object(draw(st.permutations(fields))), draw(SPACES))
    if draw(st.integers(0, 9)) == 0:
        text = text.replace('"', "\\u0022", 1) if draw(st.booleans()) else text.replace("o", "\\u006f", 1)
    return text.encode("utf-8", "surrogatepass")


def outcome(read: Callable[[bytes], Query], text: bytes) -> Query | tuple[str, str]:
    """What reading a text comes to."""
    try:
        return read(text)
    except BadQuery as error:
        return error.code, error.message


@examples(1000)
@given(query_texts() | st.binary(max_size=20))
def test_any_text(text: bytes) -> None:
    """The quicker way reads the same query, or refuses it with the same code and words."""
    strict = outcome(lambda text: read_query(parse_json(text)), text)
    event("a query" if isinstance(strict, Query) else strict[0])
    assert outcome(read_query_text, text) == strict


@pytest.mark.parametrize(
    "text",
    [
        b'{"method":"GET","method":"PUT"}',
        b'{"method":"GET","method" :"PUT"}',
        b'{"method":"GET","headers":{"Origin":"a","Origin":"b"}}',
        b'{"method":"GET","headers":{"Origin":"a"},"headers":{"Origin":"b"}}',
        b'{"method":"GET","more":{"a":1,"a":2}}',
        b'{"policy":"a","polic\\u0079":"b","method":"GET"}',
        b'{"method":"\xff"}',
        b'{"method":"\\ud800"}',
        b'{"method":"a\nb"}',
        b'{"method":"GET"}}',
        b'\xef\xbb\xbf{"method":"GET"}',
        b'{"method":"GET",}',
    ],
)
def test_what_is_not_json_or_means_two_things(text: bytes) -> None:
    """A name that stands twice, and what is not JSON, is refused however it is read."""
    with pytest.raises(BadQuery, match="body is not JSON"):
        read_query_text(text)


@given(st.lists(query_texts(), max_size=4), SPACES)
def test_any_batch_text(texts: list[bytes], space: str) -> None:
    """The texts of a batch are those of its queries, wherever they can be told from each other without reading them."""
    gap = space.encode("ascii")
    body = b'{%b"queries"%b:%b[%b]}' % (gap, gap, gap, b",".join(gap + text + gap for text in texts))
    split = split_queries(body)
    event("split" if split is not None else "to be read as a whole")
    assert split in (None, texts)


@pytest.mark.parametrize(
    "body",
    [
        b'{"queries":[],"queries":[1]}',
        b'{"queries":[],"querie\\u0073":[1]}',
        b'{"queries":[1],"more":2}',
        b'{"queries":1}',
        b'[{"queries":[1]}]',
        b'{"queries":[1]}}',
        b'{"queries":[1,]}',
        b"",
    ],
)
def test_batches_that_are_read_as_a_whole(body: bytes) -> None:
    """Where there may be more to a batch than its queries, nothing is split."""
    assert split_queries(body) is None
