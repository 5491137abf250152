"""The reference of what docs/api-python.md lists as public, out of the docstrings and the annotations."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.ext.intersphinx import resolve_reference_any_inventory
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature
from zope.interface.interface import InterfaceClass, Method

from docs.extensions.docstrings import code, fields

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

LIST = Path(__file__).parents[1] / "api-python.md"


def public_names(text: str) -> dict[str, list[str]]:
    """Read the list: the names of each package, in their order."""
    found: dict[str, list[str]] = {}
    for package, table in re.findall(r"^## `([\w.]+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        found[package] = [name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)]
    return found


@cache
def public_objects() -> Mapping[str, Any]:
    """Everything that is listed, by its full name."""
    names = public_names(LIST.read_text(encoding="utf-8"))
    paths = [f"{package}.{name}".rpartition(".") for package, listed in names.items() for name in listed]
    return {f"{module}.{name}": getattr(importlib.import_module(module), name) for module, _, name in paths}


def reference() -> Iterator[str]:
    """Write the page, as Markdown."""
    described: set[int] = set()
    package = ""
    for full, value in public_objects().items():
        if not full.startswith(f"{package}.") or not package:
            package = ".".join(full.split(".")[:2])
            yield f"## `{package}`"
        yield f"```{{eval-rst}}\n{_directive(full, value, again=id(value) in described)}\n```"
        described.add(id(value))


def _directive(full: str, value: object, *, again: bool) -> str:
    """Write the directive that describes a name; what has two names is indexed by one."""
    no_index = "\n   :no-index:" if again else ""
    if isinstance(value, InterfaceClass):
        return _interface(full, value)
    if inspect.isclass(value):
        kind = "exception" if issubclass(value, BaseException) else "class"
        # What groups of mistakes have in common is described with each of them.
        but = "BaseException, BaseExceptionGroup"
        shared = f"\n   :inherited-members: {but}" if issubclass(value, ExceptionGroup) else ""
        return f".. auto{kind}:: {full}{no_index}\n   :members:{shared}"
    return f".. auto{'function' if inspect.isroutine(value) else 'data'}:: {full}{no_index}"


def _interface(full: str, interface: InterfaceClass) -> str:
    """Describe an interface of zope.interface, which autodoc takes for an object."""
    parts = [f".. py:class:: {full}", indent(_docstring(interface.getDoc()), "   ")]
    signatures = _signatures(interface)
    for name, part in interface.namesAndDescriptions():
        kind = "method" if isinstance(part, Method) else "attribute"
        parts.append(f"   .. py:{kind}:: {name}{signatures.get(name, '')}")
        parts.append(indent(_docstring(part.getDoc()), "      "))
    return "\n\n".join(parts)


def _signatures(interface: InterfaceClass) -> Mapping[str, str]:
    """The signatures of an interface's methods, out of its source: zope.interface forgets the types."""
    tree = ast.parse(inspect.getsource(sys.modules[interface.__module__]))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == interface.__name__]
    functions = [part for node in classes for part in node.body if isinstance(part, ast.FunctionDef)]
    return {
        part.name: f"({ast.unparse(part.args)})" + (f" -> {ast.unparse(part.returns)}" if part.returns else "")
        for part in functions
    }


def _docstring(text: str) -> str:
    return code("\n".join(fields(inspect.cleandoc(dedent(text)).split("\n"))))


class PublicNamesDirective(SphinxDirective):
    """Puts the reference where it stands."""

    def run(self) -> list[nodes.Node]:
        """Make it."""
        self.env.note_dependency(str(LIST))
        return self.parse_text_to_nodes("\n\n".join(reference()), allow_section_headings=True)


def _as_written(  # the hook's arguments
    app: Sphinx, what: str, name: str, obj: Any, options: object, signature: str | None, returned: str | None
) -> tuple[str, str] | None:
    """Show annotations as the code has them: interfaces of zope.interface are no types that could be evaluated."""
    if what not in {"class", "exception", "function", "method"} or signature is None:
        return None
    called = obj.__init__ if inspect.isclass(obj) and inspect.isfunction(obj.__init__) else obj
    try:
        written = inspect.signature(called)
    except ValueError:
        return None
    parameters = list(written.parameters.values())
    if parameters and parameters[0].name in {"self", "cls"}:
        parameters = parameters[1:]
    text = stringify_signature(written.replace(parameters=parameters), unqualified_typehints=True)
    arguments, _, result = text.partition(" -> ")
    return arguments, "" if result == "None" else result


@cache
def _meanings() -> Mapping[str, str]:
    """What the names in the annotations stand for: the full names, public ones where there are any."""
    public = {id(value): full for full, value in reversed(list(public_objects().items()))}
    meanings: dict[str, str] = {}
    for value in public_objects().values():
        module = sys.modules.get(getattr(value, "__module__", ""))
        for name, meant in vars(module).items() if module else ():
            if inspect.ismodule(meant):
                meanings[name] = meant.__name__
                continue
            own = f"{getattr(meant, '__module__', '')}.{getattr(meant, '__qualname__', name)}"
            meanings[name] = public.get(id(meant), own)
    return meanings


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.TextElement) -> nodes.Node | None:
    """Link a name of an annotation; one that is private has no link."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    if not target.replace(".", "").isidentifier():  # a type that Sphinx does not take apart
        return nodes.literal("", re.sub(r"<InterfaceClass (?:\w+\.)*(\w+)>", r"\1", shown.astext()))
    first, dot, rest = target.partition(".")
    full = _meanings().get(first, first) + dot + rest
    public = {id(value): name for name, value in public_objects().items()}
    if full.startswith("cors_service."):
        module, _, name = full.rpartition(".")
        full = public.get(id(getattr(sys.modules.get(module), name, None)), full)
    if full != target:
        domain = env.domains.python_domain
        found = domain.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, shown)
        if found is None:
            node["reftarget"] = full
            found = resolve_reference_any_inventory(env, honor_disabled_refs=False, node=node, contnode=shown)
        return found or shown
    return shown if full.startswith("cors_service.") else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.add_directive("public-names", PublicNamesDirective)
    app.connect("autodoc-process-signature", _as_written)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True}
