"""Edits of a document's text, which keep everything else that stands in it: comments, order, the way it is written.

A TOML document is edited section by section: what was written about a rule stays above that rule, and goes with it.
Where a definition is written in another way, the document is edited as a whole. Either way, the outcome is read again,
and taken only if it says what it shall.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, Final

import tomlkit
from tomlkit.items import Array

from cors_service.ledger.edits import Edit
from cors_service.ledger.entry import TABLES, Key
from cors_service.ledger.sections import Section, join, split
from cors_service.policy import Source
from cors_service.policy.json_text import edit_json

_WIDE: Final = 100
"""Characters of a list that stands on one line."""
_MOST_COMPARED: Final = 1000
"""Items of a list that are compared one by one: longer ones are written anew."""


class NotEditable(Exception):
    """A document can't be edited; the text is a sentence that says why."""


def edited(source: Source, edits: Iterable[Edit]) -> str | None:
    """Edit a document.

    Args:
        source: The document, without mistakes.
        edits: What to write into it and to remove from it.

    Returns:
        Its new text; None if nothing is left in it.

    Raises:
        NotEditable: It is written in a way that can't be kept.
    """
    edits = list(edits)
    before = read_structure(source)
    after = _as_told(before, edits)
    if not any(after.get(table) for table in TABLES.values()):
        return None
    return edit_json(source.text, after) if source.format == "json" else _in_toml(source.text, edits, after)


def new_document(edits: Iterable[Edit]) -> str:
    """Write a document of its own for definitions, in TOML."""
    sets: dict[str, dict[str, Any]] = {}
    policies: list[str] = []
    for edit in edits:
        if edit.key.kind == "policy":
            policies.append(_written(edit.key, edit.body))
        else:
            sets.setdefault(TABLES[edit.key.kind], {})[edit.key.name] = edit.body
    return "\n".join(["version = 1\n", *(_section_text((table,), sets[table]) for table in sorted(sets)), *policies])


def read_structure(source: Source) -> dict[str, Any]:
    """Parse a document without mistakes."""
    structure: dict[str, Any] = tomllib.loads(source.text) if source.format == "toml" else json.loads(source.text)
    return structure


def _as_told(before: Mapping[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    """The structure that the document is to have."""
    after = {key: dict(value) if key in TABLES.values() else value for key, value in before.items()}
    for edit in edits:
        table = after.setdefault(TABLES[edit.key.kind], {})
        if edit.body is None:
            table.pop(edit.key.name, None)
        else:
            table[edit.key.name] = edit.body
    return {key: value for key, value in after.items() if value != {}}


def _in_toml(text: str, edits: Sequence[Edit], after: Mapping[str, Any]) -> str:
    for edit_all in (_by_section, _behind):
        try:
            written = edit_all(text, edits)
            if {key: value for key, value in tomllib.loads(written).items() if value != {}} == after:
                return written
        except (ValueError, LookupError, TypeError, tomlkit.exceptions.TOMLKitError):
            # It is written in a way that this does not know.
            continue
    raise NotEditable("It is written in a way that can't be preserved: edit it by hand.")


def _by_section(text: str, edits: Sequence[Edit]) -> str:
    sections = split(text)
    for edit in edits:
        if edit.key.kind == "policy":
            _edit_policy(sections, edit.key, edit.body)
        else:
            _edit_set(sections, edit)
    return join(sections)


def _edit_policy(sections: list[Section], key: Key, body: Any) -> None:
    path = (TABLES[key.kind], key.name)
    own = [section for section in sections if section.path[:2] == path]
    if body is None:
        _replace(sections, own, [])
    elif own:
        _replace(sections, own, list(_policy_sections(own, path, body)))
    else:
        _append(sections, _written(key, body))


def _policy_sections(own: Sequence[Section], path: tuple[str, ...], body: Mapping[str, Any]) -> Iterator[Section]:
    """The sections of a policy that is there, for what it is to be."""
    flat = {name: value for name, value in body.items() if not (isinstance(value, dict) or _is_of_tables(value))}
    main = [section for section in own if section.path == path]
    if main:
        yield _with_keys(main[0], flat)
    elif flat:
        yield _new(path, flat)
    for name in dict.fromkeys([*(section.path[2] for section in own if len(section.path) > 2), *body]):
        value: Any = body.get(name)
        inner = [section for section in own if section.path == (*path, name)]
        if _is_of_tables(value):
            yield from _items((*path, name), inner, value)
        elif isinstance(value, dict):
            yield _with_keys(inner[0], value) if inner else _new((*path, name), value)


def _items(path: tuple[str, ...], own: Sequence[Section], bodies: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    """The sections of a list of tables, such as rules: those that stay keep what is written about them."""
    old = [_keys_of(section) for section in own]
    for tag, start, end, begin, stop in _steps(old, bodies):
        for index, body in enumerate(bodies[begin:stop], start):
            if tag == "equal":
                yield own[index]
            elif index < end:
                yield _with_keys(own[index], body)
            else:
                yield _new(path, body, is_item=True)


def _edit_set(sections: list[Section], edit: Edit) -> None:
    table = TABLES[edit.key.kind]
    section = next((section for section in sections if section.path == (table,)), None)
    if section is None:
        if edit.body is None:
            raise LookupError(table)
        _append(sections, _written(edit.key, edit.body))
        return
    keys = {**_keys_of(section), edit.key.name: edit.body}
    if edit.body is None:
        del keys[edit.key.name]
    _replace(sections, [section], [_with_keys(section, keys)] if keys else [])


def _keys_of(section: Section) -> dict[str, Any]:
    """What is below a header."""
    keys: dict[str, Any] = tomllib.loads(_below(section))
    return keys


def _below(section: Section) -> str:
    return section.text.partition("\n")[2]


def _with_keys(section: Section, keys: Mapping[str, Any]) -> Section:
    """A section that says something else below its header."""
    header = section.text.partition("\n")[0]
    document = tomlkit.parse(_below(section))
    _update(document, keys)
    written = tomlkit.dumps(document)
    # What was added behind the empty lines before the next section belongs in front of them.
    end = section.text[len(section.text.rstrip()) :]
    return Section(section.path, section.is_item, section.lead, f"{header}\n{written.rstrip()}{end}")


def _replace(sections: list[Section], old: Sequence[Section], new: Sequence[Section]) -> None:
    """Put sections in the place of others."""
    where = min(index for index, section in enumerate(sections) if any(section is one for one in old))
    rest = [section for section in sections if not any(section is one for one in old)]
    sections[:] = [*rest[:where], *new, *rest[where:]]
    _space(sections)


def _append(sections: list[Section], text: str) -> None:
    sections += [Section(one.path, one.is_item, one.lead, one.text, is_new=True) for one in split(text)[1:]]
    _space(sections)


def _space(sections: Sequence[Section]) -> None:
    """Have new sections stand apart, and none leave empty lines at the end."""
    for section, following in pairwise(sections):
        if (section.is_new or following.is_new) and section.text.strip() and not section.text.endswith("\n\n"):
            section.text = section.text.rstrip("\n") + "\n\n"
    last = sections[-1]
    last.text = last.text.rstrip("\n") + "\n"


def _written(key: Key, body: Any) -> str:
    """Write a definition as sections of its own."""
    path = (TABLES[key.kind], key.name)
    if not isinstance(body, dict):
        return _section_text(path[:1], {key.name: body})
    flat = {name: value for name, value in body.items() if not (isinstance(value, dict) or _is_of_tables(value))}
    texts = [_section_text(path, flat)] if flat or not body else []
    for name, value in body.items():
        if isinstance(value, dict):
            texts.append(_section_text((*path, name), value))
        elif _is_of_tables(value):
            texts += [_section_text((*path, name), one, is_item=True) for one in value]
    return "\n".join(texts)


def _new(path: tuple[str, ...], keys: Mapping[str, Any], *, is_item: bool = False) -> Section:
    return Section(path, is_item, "", _section_text(path, keys, is_item=is_item), is_new=True)


def _section_text(path: Sequence[str], keys: Mapping[str, Any], *, is_item: bool = False) -> str:
    name = ".".join(tomlkit.key(part).as_string() for part in path)
    document = tomlkit.document()
    _update(document, keys)
    return f"{f'[[{name}]]' if is_item else f'[{name}]'}\n{tomlkit.dumps(document)}"


def _update(table: MutableMapping[str, Any], body: Mapping[str, Any]) -> None:
    """Make a table say something else; what stays the same stays as it is written."""
    for key in [key for key in table if key not in body]:
        del table[key]
    for key, value in body.items():
        old = table.get(key)
        if key in table and _plain(old) == value:
            continue
        if isinstance(old, Array) and isinstance(value, list) and len(old) + len(value) <= _MOST_COMPARED:
            _update_list(old, value)
        else:
            table[key] = _item(value)


def _update_list(items: Array, values: Sequence[Any]) -> None:
    """Make a list say something else; what is beside items that stay is not touched."""
    for tag, start, end, begin, stop in reversed(_steps(_plain(items), values)):
        if tag != "equal":
            for index in reversed(range(start, end)):
                del items[index]
            for offset, value in enumerate(values[begin:stop]):
                items.insert(start + offset, value)


def _steps(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[str, int, int, int, int]]:
    """What leads from one list to another."""
    before, after = ([json.dumps(one, sort_keys=True) for one in items] for items in (old, new))
    steps = SequenceMatcher[str](None, before, after, autojunk=False).get_opcodes()
    return list(steps)


def _item(value: Any) -> Any:
    item = _list_of_texts(value) if _is_of_texts(value) else tomlkit.item(value)
    if isinstance(item, Array) and len(item.as_string()) > _WIDE:
        item.multiline(True)
    return item


def _list_of_texts(texts: Sequence[str]) -> Any:
    # Made item by item, a list takes tomlkit a time that grows with the square of its length; read, it does not.
    return tomlkit.value(f"[{', '.join(tomlkit.item(text).as_string() for text in texts)}]")


def _is_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _plain(value: Any) -> Any:
    return value.unwrap() if hasattr(value, "unwrap") else value


def _behind(text: str, edits: Sequence[Edit]) -> str:
    """Edit a document in which definitions are written in other ways, such as on one line: what is new comes behind."""
    document = tomlkit.parse(text)
    for edit in edits:
        table: Any = document.get(TABLES[edit.key.kind], {})
        table.pop(edit.key.name, None)
        if not table:
            document.pop(TABLES[edit.key.kind], None)
    sections = split(tomlkit.dumps(document))
    for edit in edits:
        if edit.body is not None and edit.key.kind == "policy":
            _append(sections, _written(edit.key, edit.body))
        elif edit.body is not None:
            _edit_set(sections, edit)
    return join(sections)
