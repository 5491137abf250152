"""The private names of Twisted that we use are there, and used in one module alone."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import socket
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint, TCP6ServerEndpoint, UNIXServerEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.tcp import Connection
from twisted.web import client, http, resource
from twisted.web.server import Request

import cors_service
from cors_service import _twisted


def ignore(*_: object) -> None:
    """Do nothing."""


def unconnected() -> Connection:
    """Make a connection out of a socket that is not connected."""
    with socket.socket() as unused:
        return Connection(unused, Protocol())


# Each private name, and what uses it on an object of Twisted's.
PRIVATE: dict[str, Callable[[], object]] = {
    "HTTPChannel._buffer": lambda: http.HTTPChannel()._buffer,
    "HTTPChannel._transferDecoder": lambda: http.HTTPChannel()._transferDecoder,
    "HTTPChannel._respondToBadRequestAndDisconnect": lambda: http.HTTPChannel()._respondToBadRequestAndDisconnect,
    "_ChunkedTransferDecoder._trailerHeaders": lambda: http._ChunkedTransferDecoder(ignore, ignore)._trailerHeaders,
    "Connection._tempDataLen": lambda: unconnected()._tempDataLen,
    "twisted.web.resource._IEncodingResource": lambda: resource._IEncodingResource,
    "Request._encoder": lambda: Request._encoder,
    "twisted.web.client._HTTP11ClientFactory": lambda: client._HTTP11ClientFactory(ignore, ""),
    "HTTPConnectionPool._factory": lambda: client.HTTPConnectionPool._factory,
    "TCP4ServerEndpoint._port": lambda: TCP4ServerEndpoint(None, 1)._port,
    "TCP6ServerEndpoint._port": lambda: TCP6ServerEndpoint(None, 1)._port,
    "SSL4ServerEndpoint._port": lambda: SSL4ServerEndpoint(None, 1, None)._port,
    "TCP4ServerEndpoint._interface": lambda: TCP4ServerEndpoint(None, 1)._interface,
    "TCP6ServerEndpoint._interface": lambda: TCP6ServerEndpoint(None, 1)._interface,
    "UNIXServerEndpoint._address": lambda: UNIXServerEndpoint(None, "a.sock")._address,
    "ReactorBase._pendingTimedCalls": lambda: SelectReactor()._pendingTimedCalls,
    "ReactorBase._newTimedCalls": lambda: SelectReactor()._newTimedCalls,
}
OF_NAMED_TUPLES = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
"""Public names, in spite of their form."""
MODULES = [
    module.name
    for module in pkgutil.walk_packages(cors_service.__path__, "cors_service.")
    if "__main__" not in module.name
]


@pytest.mark.parametrize("name", PRIVATE)
def test_is_there(name: str) -> None:
    """Twisted has the private name; if not, this test names what to find another way for."""
    try:
        PRIVATE[name]()
    except AttributeError:
        pytest.fail(f"this version of Twisted has no {name}; see cors_service/_twisted.py")


def test_all_are_listed() -> None:
    """Each private name that our module uses is among those that are looked for here."""
    assert {name.rpartition(".")[2] for name in PRIVATE} == {name for name, _ in used(_twisted)}


@pytest.mark.parametrize("name", [name for name in MODULES if name != _twisted.__name__])
def test_no_other_module(name: str) -> None:
    """A module uses no private name of Twisted itself."""
    assert [use for _, use in used(importlib.import_module(name))] == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from twisted.web.resource import _IEncodingResource", "_IEncodingResource"),
        ("from twisted.web._newclient import Request", "_newclient"),
        ("import twisted.web._newclient", "_newclient"),
        ("request._encoder = 1", "_encoder"),
        ("getattr(request, '_encoder')", "_encoder"),
        ("class One(HTTPChannel):\n    def f(self): return self._buffer", "_buffer"),
        ("class One(HTTPChannel):\n    def f(self): super()._send100Continue()", "_send100Continue"),
        ("class One(HTTPChannel):\n    def _send100Continue(self): pass", "_send100Continue"),
        ("class One(HTTPChannel):\n    _optimisticEagerReadSize = 1", "_optimisticEagerReadSize"),
        ("class One(HTTPChannel):\n    def __init__(self): self._dataBuffer = []", "_dataBuffer"),
    ],
)
def test_is_found(line: str, name: str) -> None:
    """What these tests look for is found in whatever way a module uses it."""
    module = ModuleType("module")
    source = f"from twisted.web.http import HTTPChannel\n{line}"
    request = type("Request", (), {"_encoder": None})()
    exec(compile(source, "module", "exec"), vars(module) | {"request": request}, vars(module))
    assert name in {found for found, _ in used(module, source)}


def used(module: ModuleType, source: str | None = None) -> Iterator[tuple[str, str]]:
    """Give each private name of Twisted that a module uses, and what uses it."""
    tree = ast.parse(inspect.getsource(module) if source is None else source)
    own = set(defined(tree))
    for node in ast.walk(tree):
        for name in foreign(node):
            if name not in own:
                yield name, ast.unparse(node)
        if isinstance(node, ast.ClassDef) and inspect.isclass(found := vars(module).get(node.name)):
            # A name of our own that a class of Twisted beneath has, too, is one and the same.
            said = {*defined(node), *(each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute))}
            for name in sorted(said & private_names(found)):
                yield name, f"class {node.name}: {name}"


def foreign(node: ast.AST) -> Iterator[str]:
    """Give the private names that a piece of source wants of anything but its own object."""
    match node:
        case ast.ImportFrom(module=str(path)) if path.startswith("twisted."):
            yield from filter(is_private, [*path.split("."), *(alias.name for alias in node.names)])
        case ast.Import():
            for alias in node.names:
                if alias.name.startswith("twisted."):
                    yield from filter(is_private, alias.name.split("."))
        case ast.Attribute(attr=name) if ast.unparse(node.value) not in {"self", "cls", "super()", "os"}:
            yield from filter(is_private, [name])
        case ast.Call(func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(value=str(name)), *_]):
            yield from filter(is_private, [name])


def defined(tree: ast.AST) -> Iterator[str]:
    """Give the private names that a piece of source gives to methods, attributes and variables."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from filter(is_private, [name])
            case ast.Name(id=name, ctx=ast.Store()):
                yield from filter(is_private, [name])
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield from filter(is_private, [name])


def private_names(provider: type) -> set[str]:
    """Give the private names that the Twisted classes beneath a class have, or give to their objects."""
    theirs: set[str] = set()
    for base in provider.__mro__:
        if base.__module__.startswith("twisted."):
            theirs |= set(filter(is_private, vars(base)))
            theirs |= set(defined(ast.parse(inspect.getsource(base))))
    return theirs


def is_private(name: str) -> bool:
    """Say whether a name is private, and not of Python itself."""
    return re.fullmatch(r"_[A-Za-z]\w*", name) is not None and name not in OF_NAMED_TUPLES
