"""Tests of the search for the lines where paths of a document begin."""

import json
import random
import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar.lines import Path, json_lines, toml_lines

SYNTAX = "[]{}\"'\\,.=:#\r\n \tab1-é𝄞"
KEYS = st.text(SYNTAX, max_size=4) | st.text("ab-1_", min_size=1, max_size=3)
VALUES = st.recursive(
    st.integers(-9, 10**6) | st.text(SYNTAX, max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
PATHS = st.lists(st.lists(KEYS | st.integers(-1, 3), max_size=4).map(tuple), max_size=5)


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every path beneath a value, parents first, with what it leads to."""
    if not isinstance(value, dict | list):
        return
    for part, member in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, part), member
        yield from walk(member, (*path, part))


TOML_CASES: dict[str, tuple[str, dict[Path, int]]] = {
    "key": ("# c\n\na = 1\nb = 2\n", {("a",): 3, ("b",): 4}),
    "no line end at the end": ("a = 1\nb = 2", {("b",): 2}),
    "comment with brackets and quotes": ('a = 1 # [ """ \' {\nb = 2', {("b",): 2}),
    "crlf": ("a = 1\r\n\r\n[t]\r\nb = [\r\n1,\r\n2]\r\n", {("t",): 3, ("t", "b"): 4, ("t", "b", 1): 6}),
    "crlf in a multi-line string": ('a = """\r\nx\r\n"""\r\nb = 1\r\n', {("b",): 4}),
    "dotted key": (
        "a.b = 1\na . \"c\" .'d' = 2\na.c.e = 3",
        {("a",): 1, ("a", "b"): 1, ("a", "c"): 2, ("a", "c", "d"): 2, ("a", "c", "e"): 3},
    ),
    "key that looks like a number": ("3.14 = 1\n15 = 2", {("3", "14"): 1, ("15",): 2}),
    "basic quoted key": ('x = 1\n"a.b#[" = 1', {("a.b#[",): 2}),
    "escapes in a basic key": (
        'x = 1\n"\\"\\\\\\t\\u00e9\\U0001D11E" = 1\n"]\\"=" = 2',
        {('"\\\té𝄞',): 2, (']"=',): 3},
    ),
    "literal quoted key": ("x = 1\n'a\\\"b.c' = 1", {('a\\"b.c',): 2}),
    "empty quoted keys": ("x = 1\n\"\".'' = 1\n", {("",): 2, ("", ""): 2}),
    "header": ("[a]\nx = 1\n[b]\nx = 2\n", {("a",): 1, ("a", "x"): 2, ("b",): 3, ("b", "x"): 4}),
    "header with spaces and quotes": (
        "\n[ a . \"b.c\" .\t'd]' ] # c\nx = 1",
        {("a",): 2, ("a", "b.c"): 2, ("a", "b.c", "d]"): 2, ("a", "b.c", "d]", "x"): 3},
    ),
    "indented header": ("  [a]\n\t x = 1", {("a",): 1, ("a", "x"): 2}),
    "implicit table": ("\n[a.b]\n[a.c]\nx = 1", {("a",): 2, ("a", "b"): 2, ("a", "c"): 3}),
    "header after that of a sub-table": (
        "[a.b]\nx = 1\n[a]\ny = 1",
        {("a",): 3, ("a", "b"): 1, ("a", "b", "x"): 2, ("a", "y"): 4},
    ),
    "array of tables": (
        "[[a.r]]\nx = 1\n\n[[a.r]]\nx = 2\n[[ a . r ]]",
        {
            ("a",): 1,
            ("a", "r"): 1,
            ("a", "r", 0): 1,
            ("a", "r", 0, "x"): 2,
            ("a", "r", 1): 4,
            ("a", "r", 1, "x"): 5,
            ("a", "r", 2): 6,
        },
    ),
    "sub-table of an array of tables": (
        "[[p.a.r]]\n[p.a.r.x]\ny = 1\n[[p.a.r]]\n[p.a.r.x]\ny = 1\n[p.a.r.z.w]",
        {
            ("p", "a", "r", 0, "x"): 2,
            ("p", "a", "r", 0, "x", "y"): 3,
            ("p", "a", "r", 1, "x"): 5,
            ("p", "a", "r", 1, "x", "y"): 6,
            ("p", "a", "r", 1, "z"): 7,
            ("p", "a", "r", 0, "z"): 1,
        },
    ),
    "array of tables in an array of tables": (
        "[[a]]\n[[a.b]]\n[[a.b]]\n[[a]]\n[[a.b]]\nx = 1",
        {("a", 0, "b", 0): 2, ("a", 0, "b", 1): 3, ("a", 1, "b"): 5, ("a", 1, "b", 0, "x"): 6},
    ),
    "array on one line": ("x = 1\na = [1, 'b', [2]]", {("a", 0): 2, ("a", 1): 2, ("a", 2, 0): 2}),
    "multi-line array with comments": (
        "a = [ # ]\n  1, # , [\n\n  # 7,\n  2\n  , 3,\n] # c\nb = 1",
        {("a",): 1, ("a", 0): 2, ("a", 1): 5, ("a", 2): 6, ("b",): 8},
    ),
    "array that begins with a comment": ("a = [\n# one\n\n'x',]", {("a", 0): 4}),
    "nested arrays": (
        "a = [\n[1,\n2],\n[],\n[\n3]]",
        {("a", 0): 2, ("a", 0, 1): 3, ("a", 1): 4, ("a", 2, 0): 6},
    ),
    "empty array and inline table": ("a = []\nb = {}\nc = [ # c\n]\nd = { }\ne = 1", {("c",): 3, ("e",): 6}),
    "inline table": (
        "x = 1\na = { b = 1, \"c\" = 2, 'd' = 3 }",
        {("a", "b"): 2, ("a", "c"): 2, ("a", "d"): 2},
    ),
    "dotted key in an inline table": (
        "a = [\n1, {b.c = 1,\tb.d = 2}]",
        {("a", 1, "b"): 2, ("a", 1, "b", "d"): 2},
    ),
    "inline tables and arrays in one another": (
        "a = [\n{ b = [ 1,\n { c = [\n2,\n3 ] } ], d = [\n4] },\n{ b = 5 }\n]\ne = 1",
        {
            ("a", 0): 2,
            ("a", 0, "b"): 2,
            ("a", 0, "b", 0): 2,
            ("a", 0, "b", 1): 3,
            ("a", 0, "b", 1, "c"): 3,
            ("a", 0, "b", 1, "c", 0): 4,
            ("a", 0, "b", 1, "c", 1): 5,
            ("a", 0, "d"): 5,
            ("a", 0, "d", 0): 6,
            ("a", 1): 7,
            ("a", 1, "b"): 7,
            ("e",): 9,
        },
    ),
    "quotes and escapes in strings": (
        'a = ["]\\"]\\\\", \']\\\',\n"", \'\',\n2]\nb = 1',
        {("a", 1): 1, ("a", 3): 2, ("a", 4): 3, ("b",): 4},
    ),
    "multi-line basic string": (
        'a = """\n[x]\nb = 1 \\""" "" \\\n"""\nb = 2',
        {("a",): 1, ("x",): 0, ("b",): 5},
    ),
    "multi-line literal string": ("a = '''\n[x]\n'' \\'''\nb = 2", {("a",): 1, ("x",): 0, ("b",): 4}),
    "multi-line strings that end in quotes": (
        'a = ["""\n""""", \'\'\'\n\'\'\'\', """\\\\"""",\n1]\nb = 1',
        {("a", 0): 1, ("a", 1): 2, ("a", 2): 3, ("a", 3): 4, ("b",): 5},
    ),
    "empty multi-line strings": (
        "a = [\"\"\"\"\"\",\n'''''',\n1]\nb = 1",
        {("a", 1): 2, ("a", 2): 3, ("b",): 4},
    ),
    "multi-line string as an element": ('a = [\n"""\n1,\n2""",\n3]', {("a", 0): 2, ("a", 1): 5}),
    "dates and times": (
        ("a = 1979-05-27 07:32:00.5-07:00 # c\nb = [1979-05-27T07:32:00Z,\n1979-05-27 07:32:00 ,\n07:32:00]\nc = 1"),
        {("b",): 2, ("b", 1): 3, ("b", 2): 4, ("c",): 5},
    ),
    "numbers and booleans": (
        "a = [+1_000, -0.5e+3,\n0xDEAD_beef, 0b1,\n-inf, +nan,\ntrue]\nb = false",
        {("a", 1): 1, ("a", 2): 2, ("a", 4): 3, ("a", 6): 4, ("b",): 5},
    ),
    "missing key": ("x = 1\n[a]\nb = 1\n[[c]]", {("a", "z"): 2, ("a", "b", "z"): 3, ("c", 0, "z", 1): 4}),
    "missing element": ("\na = [\n1]\n[[b]]\n[[b]]", {("a", 1): 2, ("a", -1): 2, ("b", 2): 4, ("b", "x"): 4}),
    "missing from the root": ("a = 1", {("b",): 0, ("b", "c"): 0, (0,): 0, (): 0}),
    "document without anything": ("# nothing\n", {("a",): 0, (): 0}),
}


@pytest.mark.parametrize(("text", "lines"), TOML_CASES.values(), ids=TOML_CASES)
def test_toml_feature(text: str, lines: dict[Path, int]) -> None:
    """Every path has its line in a TOML document that uses the named feature (0 means no line)."""
    tomllib.loads(text)
    assert {path: line for path, line in lines.items() if line} == toml_lines(text, lines)


@pytest.mark.parametrize(("text", "lines"), TOML_CASES.values(), ids=TOML_CASES)
def test_toml_path_alone(text: str, lines: dict[Path, int]) -> None:
    """The line of a path does not depend on which other paths are wanted."""
    assert lines == {path: toml_lines(text, [path]).get(path, 0) for path in lines}


JSON_CASES: dict[str, tuple[str, dict[Path, int]]] = {
    "names": ('{\n"a": 1,\n"b": {\n"c": null}}', {("a",): 2, ("b",): 3, ("b", "c"): 4}),
    "elements": (
        '{"a": [\n1, [\ntrue], {\n"b": []}]}',
        {("a", 0): 2, ("a", 1, 0): 3, ("a", 2): 3, ("a", 2, "b"): 4},
    ),
    "root array": ("[\n1,\n2]", {(0,): 2, (1,): 3, (2,): 0, ("a",): 0}),
    "root scalar": ("\n1", {(0,): 0, (): 0}),
    "line ends around everything": ('\n{\n"a"\n:\n1\n,\n"b"\n:\n[\n]\n}\n', {("a",): 3, ("b",): 7}),
    "crlf": ('{\r\n"a": [\r\n1\r\n,2]\r\n}\r\n', {("a",): 2, ("a", 0): 3, ("a", 1): 4}),
    "syntax in strings": ('{"a,]": ["]}\\",\\\\",\n"#\'"],\n"#b": 1}', {("a,]", 1): 2, ("#b",): 3}),
    "escapes in a name": (
        '{"x": 1,\n"\\"\\\\\\/\\n\\u00e9\\ud834\\udd1e": 1,\n"\\ud834": 2}',
        {('"\\/\né𝄞',): 2, ("\ud834",): 3},
    ),
    "empty strings": ('{"": {\n"": ""\n,"a": ["",\n""]}}', {("",): 1, ("", ""): 2, ("", "a", 1): 4}),
    "name with a dot": ('{"a": 1,\n"a.b": 2}', {("a.b",): 2, ("a", "b"): 1}),
    "numbers": ('{"a": [-1.5E+3,\n0\n],\n"b": NaN}', {("a", 1): 2, ("b",): 4}),
    "missing": ('{\n"a": [\n{}]}', {("a", 0, "z"): 3, ("a", 1): 2, ("a", "z"): 2, ("z", 0): 0}),
    "name that comes twice": (
        '{"a": {"x": 1,\n"y": 2},\n"a": {\n"y": 3}}',
        {("a",): 3, ("a", "y"): 4, ("a", "x"): 3},
    ),
}


@pytest.mark.parametrize(("text", "lines"), JSON_CASES.values(), ids=JSON_CASES)
def test_json_feature(text: str, lines: dict[Path, int]) -> None:
    """Every path has its line in a JSON document that uses the named feature (0 means no line)."""
    json.loads(text)
    assert {path: line for path, line in lines.items() if line} == json_lines(text, lines)


def note_indented(value: Any, path: Path, line: int, lines: dict[Path, int]) -> int:
    """Note the lines that `json.dumps` with an indent gives to all beneath a value; return where it ends."""
    if not isinstance(value, dict | list) or not value:
        return line
    for part, member in value.items() if isinstance(value, dict) else enumerate(value):
        lines[*path, part] = line + 1
        line = note_indented(member, (*path, part), line + 1, lines)
    return line + 1


@given(DOCUMENTS, st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_json_document(document: dict[str, Any], ascii_only: bool, line_end: str) -> None:
    """The line of each path of an indented JSON document is the one that really holds it."""
    text = json.dumps(document, indent=1, ensure_ascii=ascii_only).replace("\n", line_end)
    expected: dict[Path, int] = {}
    note_indented(document, (), 1, expected)
    actual = json_lines(text, expected)
    assert expected == actual
    for path, value in walk(document):
        key = json.dumps(path[-1], ensure_ascii=ascii_only) + ": " if isinstance(path[-1], str) else ""
        written = json.dumps(value, ensure_ascii=ascii_only)
        begin = key + (written[0] if isinstance(value, dict | list) else written)
        assert text.split(line_end)[actual[path] - 1].strip(" ").startswith(begin)


def number_parts(value: Any, numbers: Iterator[int]) -> Any:
    """Give every key and every scalar of a value a mark that nothing else has."""
    if isinstance(value, dict):
        return {f"-{next(numbers)}-{key}": number_parts(member, numbers) for key, member in value.items()}
    if isinstance(value, list):
        return [number_parts(member, numbers) for member in value]
    return f"-{next(numbers)}-{value}" if isinstance(value, str) else -next(numbers)


@given(DOCUMENTS, st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_toml_document(document: dict[str, Any], multiline: bool, line_end: str) -> None:
    """The line of each path of a TOML document is the first that shows the key or element."""
    document = number_parts(document, count(10**6))
    rows = tomli_w.dumps(document, multiline_strings=multiline).split("\n")
    parsed = tomllib.loads(line_end.join(rows))
    paths = dict(walk(parsed))
    actual = toml_lines(line_end.join(rows), paths)
    assert paths.keys() == actual.keys()
    for path, value in paths.items():
        part, line = path[-1], actual[path]
        if isinstance(part, str) or isinstance(value, str | int):
            mark = str(part if isinstance(part, str) else value)[:9]
            expected = next(number for number, row in enumerate(rows, 1) if mark in row)
            # tomli_w puts the text of a multi-line string below the quotes that open it
            below_quotes = isinstance(part, int) and isinstance(value, str) and rows[expected - 2].endswith('"""')
            assert expected - below_quotes == line
        else:
            assert rows[line - 1].lstrip(" ")[0] in ("[{" if isinstance(value, dict) else "[")
        beneath = [actual[other] for other, _ in walk(value, path)]
        assert all(line <= other for other in beneath)
        following = actual.get((*path[:-1], part + 1)) if isinstance(part, int) else None
        assert following is None or max([line, *beneath]) < following


class TomlWriter:
    """Writes documents in all styles of TOML, and notes the line of each path as it goes."""

    def __init__(self, choices: random.Random) -> None:
        """Start with an empty text; `choices` decides on styles."""
        self.choices = choices
        self.text = ""
        self.lines: dict[Path, int] = {}

    def note(self, path: Path) -> None:
        """Note that a path, and what is implied above it, begins on the current line."""
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], 1 + self.text.count("\n"))

    def add(self, *variants: str) -> None:
        """Write one of the variants."""
        self.text += self.choices.choice(variants)

    def string(self, value: str, *, key: bool = False) -> None:
        """Write a string, or a quoted key, with any kind of quotes that can hold it."""
        basic = tomli_w.dumps({"k": value})[4:-1]
        variants = [basic]
        if not set(value) & set("'\r\n"):
            variants.append(f"'{value}'")
        if not key:
            variants.append(f'""{basic}""')
            variants.append(f'"""\n{basic[1:]}""')
            if not value[:1].isspace():
                variants.append(f'"""\\ \r\n\t\n{basic[1:]}""')
            if "'''" not in value and "\r" not in value:
                variants.append(f"'''\n{value}'''")
        self.add(*variants)

    def key(self, parts: list[str]) -> None:
        """Write a dotted key."""
        for number, part in enumerate(parts):
            self.add(".", " . ", ".\t") if number else None
            if part and set(part) <= set("ab-1_") and self.choices.random() < 0.7:
                self.add(part)
            else:
                self.string(part, key=True)

    def value(self, value: Any, path: Path) -> None:
        """Write a value in line."""
        gaps = ("", " ", "\n", "\r\n\t", " # ], [ \" '''\n", "#\n\n#}\r\n")
        if isinstance(value, dict):
            self.add("{", "{ ")
            for number, (parts, member) in enumerate(self.flat(value)):
                self.add(",", " , ") if number else None
                self.pair(parts, member, path)
            self.add("}", "\t}")
        elif isinstance(value, list):
            self.add("[")
            for number, member in enumerate(value):
                self.add(",") if number else None
                self.add(*gaps)
                self.note((*path, number))
                self.value(member, (*path, number))
                self.add(*gaps)
            self.add(*((",", "") if value else ("",)))
            self.add(*gaps)
            self.add("]")
        elif isinstance(value, str):
            self.string(value)
        else:
            self.add(str(value))

    def pair(self, parts: list[str], value: Any, path: Path) -> None:
        """Write a key and its value."""
        self.note((*path, *parts))
        self.key(parts)
        self.add("=", " = ")
        self.value(value, (*path, *parts))

    def flat(self, table: dict[str, Any]) -> Iterator[tuple[list[str], Any]]:
        """Yield the pairs of a table, with some tables in it resolved into dotted keys."""
        for key, value in table.items():
            if isinstance(value, dict) and value and self.choices.random() < 0.5:
                yield from (([key, *parts], member) for parts, member in self.flat(value))
            else:
                yield [key], value

    def header(self, path: Path, *, many: bool) -> None:
        """Write the header of a table, or that of an element of an array of tables."""
        self.add("", "\n", " # [a]\r\n\t")
        self.note(path)
        self.add("[[" if many else "[")
        self.key([part for part in path if isinstance(part, str)])
        self.add("]]" if many else "]")
        self.add("\n", "\r\n", " # ]\n")

    def table(self, table: dict[str, Any], path: Path = ()) -> None:
        """Write the body of a table, and then the tables beneath it that have headers."""
        tables: dict[str, list[dict[str, Any]]] = {}
        arrays: dict[str, list[dict[str, Any]]] = {}
        pairs: dict[str, Any] = {}
        for key, value in table.items():
            header = self.choices.random() < 0.6
            if header and isinstance(value, dict):
                tables[key] = [value]
            elif header and isinstance(value, list) and value and all(isinstance(it, dict) for it in value):
                arrays[key] = value
            else:
                pairs[key] = value
        if path:
            many = isinstance(path[-1], int)
            needed = many or pairs or not (tables or arrays)
            if needed or self.choices.random() < 0.5:
                self.header(path, many=many)
        for parts, member in self.flat(pairs):
            self.pair(parts, member, path)
            self.add("\n", "\r\n", " # [\n\n")
        for key, (member,) in tables.items():
            self.table(member, (*path, key))
        for key, members in arrays.items():
            for number, member in enumerate(members):
                self.table(member, (*path, key, number))


@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_toml_styles(document: dict[str, Any], choices: random.Random) -> None:
    """The line of each path of a TOML document is known however the document is laid out."""
    writer = TomlWriter(choices)
    writer.table(document)
    assert document == tomllib.loads(writer.text)
    expected = {path: writer.lines[path] for path, _ in walk(document)}
    assert expected == toml_lines(writer.text, expected)


@given(st.text() | st.text(SYNTAX, max_size=40), PATHS)
def test_any_text(text: str, wanted: list[Path]) -> None:
    """No text makes the search fail, or give a line that the text does not have."""
    for lines in (toml_lines(text, wanted), json_lines(text, wanted)):
        assert lines.keys() <= set(wanted)
        assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@given(DOCUMENTS, st.integers(0, 300), st.integers(0, 5), st.text(SYNTAX, max_size=3))
def test_damaged_text(document: dict[str, Any], at: int, length: int, inserted: str) -> None:
    """A document with a damaged place does not make the search fail."""
    wanted = [path for path, _ in walk(document)]
    for find, text in ((toml_lines, tomli_w.dumps(document)), (json_lines, json.dumps(document, indent=1))):
        assert find(text[:at] + inserted + text[at + length :], wanted).keys() <= set(wanted)


@pytest.mark.parametrize(
    "text", ['a = "', "a = '''", "[a", "[[a]", "a", "a =", "a = [1,", "a = {b", '"\\x" = 1', "é = 1"]
)
def test_text_that_breaks_off(text: str) -> None:
    """What was found before the place that is not understood is returned."""
    expected = {("x",): 1}
    assert expected == toml_lines("x = 1\n" + text, [("x",), ("y",)])


@pytest.mark.slow
def test_deep_nesting() -> None:
    """Nesting is limited by memory only."""
    depth = 100_000
    path: Path = (0,) * depth
    assert {path: depth} == json_lines("\n[" * (depth - 1) + "[" + "1" + "]" * depth, [path])
    assert {("a", *path): depth + 1} == toml_lines("a =" + "[\n" * depth + "1" + "]" * depth, [("a", *path)])


def test_nothing_wanted() -> None:
    """Without wanted paths there are no lines."""
    expected: dict[Path, int] = {}
    assert expected == toml_lines("a = 1", []) | json_lines('{"a": 1}', set())
