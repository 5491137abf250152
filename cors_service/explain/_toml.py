"""Edits TOML so that comments and order stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import tomlkit
from tomlkit.container import Container
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, Comment, InlineTable, Item, Key, Null, Table, Whitespace

from cors_service.explain._edits import RULE_KEYS, Add, Edit, Insert, NotEditedError, Put, Split, Take, at
from cors_service.explain._toml_lists import commented

NOT_EDITED: Final = (
    "a policy of it is written in one line or with dotted keys, in a way that is not edited here. Write it as a table "
    "of its own, [policies.NAME]"
)

_Entry = tuple[Key | None, Item]


def edit_toml(text: str, edits: Sequence[Edit]) -> str:
    """Make edits of a document.

    Args:
        text: The document, which is valid.
        edits: What to change.

    Raises:
        NotEditedError: It is written in a way that is not edited here.
    """
    try:
        document = tomlkit.parse(text)
        for edit in edits:
            _edit(document, edit)
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, ValueError, AttributeError, LookupError) as error:
        raise NotEditedError(NOT_EDITED) from error


def _edit(document: Any, edit: Edit) -> None:
    *above, last = edit.path
    place = at(document, tuple(above))
    key: Any = last
    match edit:
        case Put():
            _put(place, key, edit)
        case Add():
            _add(place, key, edit.value)
        case Take() if isinstance(place, AoT):
            _take_rule(document, place, key)
        case Take() if isinstance(place, Array):
            _take_item(at(document, tuple(above[:-1])), above[-1], key)
        case Take():
            _take_key(place, key)
        case Insert() if isinstance(place, AoT):
            _insert_rule(document, place, key, edit.rule)
        case Insert() if isinstance(place, Array):
            _insert_item(at(document, tuple(above[:-1])), above[-1], key, _inline(edit.rule))
        case Insert():
            raise NotEditedError("its rules are no list of tables")
        case Split():
            _split(place[last], edit)


def _put(place: Any, key: str, edit: Put) -> None:
    """Set a key after the others of its table, before the comments that lead to the next one."""
    if isinstance(edit.value, dict):
        # A policy is a table of its own, at the end of the document, or one among others in a line.
        place[key] = _inline(edit.value) if isinstance(place, InlineTable) else _table(edit.value)
        return
    if key in place or not isinstance(place, Table):
        place[key] = edit.value
        return
    tail = _taken_tail(place.value)
    _append(place, key, edit.value)
    _put_back(place.value, tail)


def _append(table: Table, key: str, value: Any) -> None:
    """Append a key, indented as the header is; tomlkit takes blanks of a comment above the header for indentation."""
    above = table.trivia.indent
    table.trivia.indent = above.rpartition("\n")[2]
    table.append(key, value)
    table.trivia.indent = above


def _add(place: Any, key: str, value: str) -> None:
    array = place[key]
    if not isinstance(array, Array):
        raise NotEditedError("a list of it is none")
    _insert_item(place, key, len(array), tomlkit.item(value))


def _insert_item(place: Any, key: Any, index: int, item: Item) -> None:
    array: Array = place[key]
    listed = commented(array)
    if listed is None:
        array.insert(index, item)
    else:
        place[key] = listed.inserted(index, item.as_string())


def _take_item(place: Any, key: Any, index: int) -> None:
    array: Array = place[key]
    listed = commented(array)
    if listed is None:
        del array[index]
    else:
        place[key] = listed.without(index)


def _take_key(place: Any, key: str) -> None:
    if isinstance(place, Table):
        _comments_before(place.value, key)
    del place[key]


def _take_rule(document: Any, rules: AoT, index: int) -> None:
    container, end = _place_of(document, rules[index])
    _comments_above(container, end)
    # What stands after the rule is about the next one.
    tail = _taken_tail(rules[index].value)
    if any(isinstance(item, Comment) for _, item in tail):
        if isinstance(tail[0][1], Whitespace) and _ends_in_blank(container, end):
            del tail[0]
        if index:
            _put_back(rules[index - 1].value, tail)
        elif len(rules) > 1:
            rules[1].trivia.indent = "".join(item.as_string() for _, item in tail)
    del rules[index]


def _insert_rule(document: Any, rules: AoT, index: int, rule: dict[str, Any]) -> None:
    table = _table(rule)
    # The blanks and comments above a header are about what it heads, and so they stay right above it.
    tail = _taken_tail(rules[index - 1].value) if index else _above_first(document, rules)
    blanks = [entry for entry in tail[:1] if isinstance(entry[1], Whitespace)]
    if index:
        _put_back(rules[index - 1].value, blanks)
        table.trivia.indent = "" if blanks else "\n"
    _put_back(table.value, tail)
    if index < len(rules) and not tail:
        rules[index].trivia.indent = "\n"
    rules.insert(index, table)


def _above_first(document: Any, rules: AoT) -> list[_Entry]:
    """Take the comments right above the first rule of a policy, with a blank line before them."""
    comments = _comments_above(*_place_of(document, rules[0]))
    return [(None, item) for item in (Whitespace("\n"), *comments)] if comments else []


def _split(policy: Any, edit: Split) -> None:
    if isinstance(policy, InlineTable):
        _split_line(policy, edit)
        return
    tail = _taken_tail(_last(policy).value)
    old = tomlkit.table()
    for key in [*policy]:
        if key in RULE_KEYS:
            comments = _comments_before(policy.value, key)
            item = policy.item(key)
            policy.remove(key)
            for comment in comments:
                old.add(comment)
            old.append(key, item)
    rules = tomlkit.aot()
    new = _table(edit.rule)
    for table in (new, old) if edit.is_first else (old, new):
        rules.append(table)
    policy.append("rules", rules)
    rules[0].trivia.indent = "\n"
    _put_back(rules[-1].value, tail)


def _split_line(policy: InlineTable, edit: Split) -> None:
    """Split a policy that is written in one line."""
    old = {key: policy[key].unwrap() for key in [*policy] if key in RULE_KEYS}
    for key in old:
        policy.remove(key)
    rules = tomlkit.array()
    for rule in (edit.rule, old) if edit.is_first else (old, edit.rule):
        rules.append(_inline(rule))
    policy.append("rules", rules)


def _last(table: Table) -> Table:
    """The table that ends where a table ends: itself, or one of its own."""
    named = [item for key, item in table.value.body if key is not None]
    return _last(named[-1]) if named and isinstance(named[-1], Table) else table


def _table(values: dict[str, Any]) -> Table:
    table = tomlkit.table()
    for key, value in values.items():
        table.append(key, value)
    return table


def _inline(values: dict[str, Any]) -> InlineTable:
    table = tomlkit.inline_table()
    for key, value in values.items():
        table.append(key, value)
    return table


def _taken_tail(container: Container) -> list[_Entry]:
    """Take the blanks and comments from the end of a table."""
    body = container.body
    start = len(body)
    while start and body[start - 1][0] is None:
        start -= 1
    tail = [entry for entry in body[start:] if not isinstance(entry[1], Null)]
    del body[start:]
    return tail


def _put_back(container: Container, entries: Sequence[_Entry]) -> None:
    container.body.extend(entries)


def _comments_before(container: Container, key: str) -> list[Comment]:
    """Take the comments right above a key."""
    return _comments_above(container, _index_of(container, key))


def _index_of(container: Container, key: str) -> int:
    return next(number for number, (found, _) in enumerate(container.body) if found is not None and found.key == key)


def _comments_above(container: Container, end: int) -> list[Comment]:
    """Take the comments that stand right above what comes next in a container."""
    body = container.body
    comments: list[Comment] = []
    while end and isinstance(item := body[end - 1][1], Comment | Null):
        if isinstance(item, Comment):
            comments.insert(0, item)
        end -= 1
        body[end] = (None, Null())
    return comments


def _ends_in_blank(container: Container, end: int) -> bool:
    items = [item for _, item in container.body[:end] if not isinstance(item, Null)]
    return bool(items) and isinstance(items[-1], Whitespace)


def _place_of(document: Container, table: Table) -> tuple[Container, int]:
    """Give the container at whose end, or before whose tables, the header of a table stands in the text."""
    place = document, _keys_end(document)
    for one in _tables(document):
        if one is table:
            break
        if not one.is_super_table():  # which has no header, and so stands nowhere
            place = one.value, _keys_end(one.value)
    return place


def _tables(container: Container) -> Iterator[Table]:
    """Give each table, in the order of the text."""
    for key, item in container.body:
        if _has_header(key, item):
            for table in item.body if isinstance(item, AoT) else [item]:
                assert isinstance(table, Table)
                yield table
                yield from _tables(table.value)


def _keys_end(container: Container) -> int:
    """Where the keys of a table end, with what stands below them, and its tables begin."""
    body = container.body
    return next((number for number, (key, item) in enumerate(body) if _has_header(key, item)), len(body))


def _has_header(key: Key | None, item: Item) -> bool:
    return isinstance(item, AoT) or (isinstance(item, Table) and key is not None and not key.is_dotted())
