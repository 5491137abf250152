"""Find the lines of a document where given paths begin.

The parsers of the standard library keep no positions. When the meaning of a document that
parsed well is wrong, this module reads its text again, and finds lines for the paths that
are asked for and for no others. The wanted paths form a trie that is walked along with the
text: time is linear in the text and the wanted paths, memory in the wanted paths and the
depth of nesting.

One scanner serves both formats, because a JSON value (RFC 8259 section 3) has the tokens of a
TOML inline value (TOML v1.0.0 "Array", "Inline Table"): only the sign after a key and the
escapes in a key differ. The scanner accepts more than either format does. It relies on the
text having been validated, and gives up at the first thing that it does not understand.
"""

import json
import re
import tomllib
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

Path = tuple[str | int, ...]

# An array or table that is open inside a value: its node, None if nothing in it is wanted, and
# what counts its elements, None for a table.
_Frame = tuple["_Node | None", "count[int] | None"]

_GAP = re.compile(r"[ \t\r\n]+|#[^\n]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# Blanks are allowed inside because a date and its time may be parted by one ("Offset Date-Time").
_SCALAR = re.compile(r"""[^\[\]{},#\r\n"']+""")
# What to look for inside a string: its end, or an escape that may hide an end. A multi-line
# string may have two quotes of its own right before the three that close it ("String").
_STRING_STOPS = {
    '"': re.compile(r'"|\\.', re.DOTALL),
    "'": re.compile(r"'"),
    '"""': re.compile(r'"{3,5}|\\.', re.DOTALL),
    "'''": re.compile(r"'{3,5}"),
}


@dataclass(slots=True, eq=False)
class _Node:
    """One prefix of a wanted path.

    Attributes:
        children: The nodes one key or index further.
        line: The 1-based line, 0 as long as the prefix has not been met.
        size: How many `[[...]]` headers with this path have been met so far.
    """

    children: dict[str | int, "_Node"] = field(default_factory=dict)
    line: int = 0
    size: int = 0


class _Cursor:
    """A place in the text that moves forward only; methods raise ValueError on what they cannot read.

    Attributes:
        text: The document.
        pos: The offset of the next character.
        separator: The sign between a key and its value.
        unescape: Turns a double-quoted key, quotes included, into its meaning.
    """

    def __init__(self, text: str, separator: str, unescape: Callable[[str], str]) -> None:
        self.text = text
        self.pos = 0
        self.separator = separator
        self.unescape = unescape
        self._line = 1
        self._counted = 0

    def peek(self) -> str:
        """Move over blanks, line ends and comments; return the next character, "" at the end."""
        while gap := _GAP.match(self.text, self.pos):
            self.pos = gap.end()
        return self.text[self.pos : self.pos + 1]

    def skip(self, token: str) -> bool:
        """Move over `token` if it comes next; return whether it did."""
        self.peek()
        found = self.text.startswith(token, self.pos)
        self.pos += len(token) if found else 0
        return found

    def expect(self, token: str) -> None:
        """Move over `token`, which must come next."""
        if not self.skip(token):
            raise ValueError(token)

    def take(self, pattern: re.Pattern[str]) -> str:
        """Move over what `pattern` matches right here, and return it."""
        match = pattern.match(self.text, self.pos)
        if match is None:
            raise ValueError(pattern.pattern)
        self.pos = match.end()
        return match[0]

    def string(self, delimiter: str) -> str:
        """Move over the string that `delimiter` opens right here, and return it with its quotes."""
        start = self.pos
        self.pos += len(delimiter)
        while stop := _STRING_STOPS[delimiter].search(self.text, self.pos):
            self.pos = stop.end()
            if stop[0][0] != "\\":
                return self.text[start : self.pos]
        raise ValueError(delimiter)

    def keys(self) -> list[str]:
        """Move over a key, and return its dotted parts (TOML v1.0.0 "Keys")."""
        parts = [self._key()]
        while self.skip("."):
            parts.append(self._key())
        return parts

    def _key(self) -> str:
        quote = self.peek()
        if quote not in ('"', "'"):
            return self.take(_BARE_KEY)
        raw = self.string(quote)
        return self.unescape(raw) if quote == '"' and "\\" in raw else raw[1:-1]

    def scalar(self) -> None:
        """Move over a value that is neither an array nor a table."""
        quote = self.peek()
        if quote not in ('"', "'"):
            self.take(_SCALAR)
        else:  # an empty string is never followed by a quote
            self.string(quote * 3 if self.text.startswith(quote * 3, self.pos) else quote)

    def mark(self, node: _Node | None, start: int, *, defines: bool) -> None:
        """Note the line of a node.

        Args:
            node: The node that begins here, None if it is not wanted.
            start: The offset where it begins; never less than in an earlier call.
            defines: Whether the text here defines the node, and does not merely imply it.
        """
        if node is not None and (defines or not node.line):
            self._line += self.text.count("\n", self._counted, start)
            self._counted = start
            node.line = self._line


def toml_lines(text: str, wanted: Collection[Path]) -> dict[Path, int]:
    """Find the lines where paths of a TOML document begin (TOML v1.0.0).

    A key begins where the key stands, an array element where the element does. A table begins
    at its header, or, if it has none, at the first line that defines something beneath it.

    Args:
        text: A valid TOML document. Of anything else, the part that is understood counts.
        wanted: The paths to find: a `str` for each key, an `int` for each array index.

    Returns:
        The 1-based line of each path, or of the longest prefix of it that exists; not those with
        a first component that does not exist.
    """
    root = _trie(wanted)
    with suppress(ValueError):
        _scan_toml(_Cursor(text, "=", _toml_unescape), root)
    return {path: line for path in wanted if (line := _line(root, path, nested=False))}


def json_lines(text: str, wanted: Collection[Path]) -> dict[Path, int]:
    """Find the lines where paths of a JSON document begin (RFC 8259).

    If an object has a name twice, the last one counts, as it does for the `json` module.

    Args:
        text: A valid JSON document. Of anything else, the part that is understood counts.
        wanted: The paths to find: a `str` for each name, an `int` for each array index.

    Returns:
        The 1-based line of each path, or of the longest prefix of it that exists; not those with
        a first component that does not exist.
    """
    root = _trie(wanted)
    with suppress(ValueError):
        _scan_value(_Cursor(text, ":", json.loads), root)
    return {path: line for path in wanted if (line := _line(root, path, nested=True))}


def _toml_unescape(raw: str) -> str:
    """Return the meaning of a basic string ("String"), given with its quotes."""
    return str(tomllib.loads(f"key = {raw}")["key"])


def _trie(wanted: Collection[Path]) -> _Node:
    root = _Node()
    for path in wanted:
        node = root
        for part in path:
            node = node.children.setdefault(part, _Node())
    return root


def _line(root: _Node, path: Path, *, nested: bool) -> int:
    """Look up the line of the longest prefix of a path that the scan has met.

    Args:
        root: The trie after the scan.
        path: A wanted path.
        nested: Whether a child never stands before its parent, so that one that seems to is
            left over from an earlier object with the same name.

    Returns:
        The line, 0 if not even the first component was met.
    """
    node, line = root, 0
    for part in path:
        node = node.children[part]
        if not node.line or (nested and node.line < line):
            break
        line = node.line
    return line


def _scan_toml(cursor: _Cursor, root: _Node) -> None:
    table: _Node | None = root
    while following := cursor.peek():
        if following == "[":
            table = _scan_header(cursor, root)
        else:
            _scan_value(cursor, _scan_key(cursor, table))


def _scan_header(cursor: _Cursor, root: _Node) -> _Node | None:
    """Move over a header, and return the node of the table that it opens ("Table", "Array of Tables")."""
    start = cursor.pos
    many = cursor.skip("[[")
    if not many:
        cursor.expect("[")
    node = _descend(cursor, root, cursor.keys(), start)
    cursor.expect("]]" if many else "]")
    if many and node is not None:
        node.size += 1
        node = _latest(node)
    cursor.mark(node, start, defines=True)
    return node


def _scan_key(cursor: _Cursor, table: _Node | None) -> _Node | None:
    """Move over a key and its separator, and return the node of the value that follows."""
    start = cursor.pos
    node = _descend(cursor, table, cursor.keys(), start)
    cursor.expect(cursor.separator)
    cursor.mark(node, start, defines=True)
    return node


def _descend(cursor: _Cursor, node: _Node | None, keys: list[str], start: int) -> _Node | None:
    """Go from a node down along keys, marking what they imply, and return the last node."""
    for key in keys:
        node = _child(_latest(node), key)
        cursor.mark(node, start, defines=False)
    return node


def _child(node: _Node | None, part: str | int) -> _Node | None:
    """Return the node one key or index further, None if it is not wanted."""
    return None if node is None else node.children.get(part)


def _latest(node: _Node | None) -> _Node | None:
    """Return the node's last element if it is an array of tables, else the node itself."""
    return _child(node, node.size - 1) if node is not None and node.size else node


def _scan_value(cursor: _Cursor, node: _Node | None) -> None:
    """Move over one value of any depth, marking all that is wanted in it.

    Args:
        cursor: The place where the value, or the gap before it, begins.
        node: The node of the value, None if nothing in it is wanted.
    """
    stack: list[_Frame] = []
    while True:
        if cursor.skip("["):
            stack.append((node, count()))
        elif cursor.skip("{"):
            stack.append((node, None))
        else:
            cursor.scalar()
        _close(cursor, stack)
        if not stack:
            return
        parent, indexes = stack[-1]
        if indexes is None:
            node = _scan_key(cursor, parent)
        else:
            node = _child(parent, next(indexes))
            cursor.mark(node, cursor.pos, defines=True)


def _close(cursor: _Cursor, stack: list[_Frame]) -> None:
    """Move to the next element or key, dropping the frames that end before it."""
    while stack:
        cursor.skip(",")
        if cursor.peek() not in ("]", "}"):
            return
        cursor.pos += 1
        stack.pop()
