"""A page out of an OpenAPI document: what can be asked, with which parameters, and what is answered.

A small script instead of a renderer: those that are looked after load theirs from elsewhere when the page is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx

METHODS = ("get", "put", "post", "delete", "options", "patch")
Document = Mapping[str, Any]


def page(document: Document) -> str:
    """Write an OpenAPI document as Markdown, a section for each operation."""
    return "\n\n".join(
        ["## In general", document["info"]["description"], *_operations(document), "## Schemas", *_schemas(document)]
    ) + "\n"  # fmt: skip


def _operations(document: Document) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"## {tag['name'].capitalize()}"
        yield tag.get("description", "")
        for path, item in document["paths"].items():
            for method in METHODS:
                if tag["name"] in item.get(method, {}).get("tags", ()):
                    yield from _operation(document, f"{method.upper()} {path}", item, item[method])


def _operation(document: Document, title: str, item: Document, operation: Document) -> Iterator[str]:
    yield f"### `{title}`"
    yield f"{operation['summary']}." if operation.get("summary") else ""
    yield operation.get("description", "")
    parameters = [_found(document, one) for one in (*item.get("parameters", ()), *operation.get("parameters", ()))]
    if parameters:
        rows = [(f"`{one['name']}`", one["in"], _told(one)) for one in parameters]
        yield _table(("parameter", "in", "meaning"), rows)
    if "requestBody" in operation:
        yield f"Body: {_contents(_found(document, operation['requestBody'])['content'])}."
    answers = {status: _found(document, answer) for status, answer in operation["responses"].items()}
    rows = [(f"`{status}`", _told(one), _contents(one.get("content", {}))) for status, one in answers.items()]
    yield _table(("status", "when", "body"), rows)


def _schemas(document: Document) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        yield f"### `{name}`"
        yield schema.get("description", "")
        if "properties" in schema:
            required = schema.get("required", ())
            rows = [
                (f"`{key}`", _kind(value), _told(value) + (" Required." if key in required else ""))
                for key, value in schema["properties"].items()
            ]
            yield _table(("property", "type", "meaning"), rows)
        else:
            yield f"Type: {_kind(schema)}."


def _found(document: Document, part: Document) -> Document:
    """Follow a reference within the document."""
    if "$ref" not in part:
        return part
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return _found(document, found)


def _kind(schema: Document | bool) -> str:
    if isinstance(schema, bool):
        return "anything"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[`{name}`](#{name.lower()})"
    for several, between in (("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")):
        if several in schema:
            kinds = dict.fromkeys(_kind(one) for one in schema[several])
            return between.join(kind for kind in kinds if kind != "anything" or len(kinds) == 1)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    kind = schema.get("type", "anything")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _contents(content: Document) -> str:
    return ", ".join(f"{_kind(one.get('schema', {}))} as `{media}`" for media, one in content.items())


def _told(part: Document | bool) -> str:
    if isinstance(part, bool):
        return ""
    return " ".join(str(part.get("description", "")).split())


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


class OpenAPIDirective(SphinxDirective):
    """Puts the page of a document, named by its path from the page, where it stands."""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Make it."""
        path = Path(self.env.doc2path(self.env.docname)).parent / self.arguments[0]
        self.env.note_dependency(str(path.resolve()))
        return self.parse_text_to_nodes(page(json.loads(path.read_text(encoding="utf-8"))), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.add_directive("openapi", OpenAPIDirective)
    return {"parallel_read_safe": True}
