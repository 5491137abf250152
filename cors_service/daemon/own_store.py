"""A store of somebody's own, which `--store MODULE:NAME` names."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from twisted.python.usage import UsageError
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyObject

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError, cut, shown, without_userinfo
from cors_service.policy.change import Change
from cors_service.reader.snapshot import UNREADABLE, Snapshot
from cors_service.store import IPolicyStore


def find_store(name: str, reactor: Any) -> IPolicyStore:
    """Find or make a store.

    Args:
        name: `MODULE:NAME`: a module that Python can import, and in it a store, or a callable that makes one.
        reactor: The reactor, which is given to the callable.

    Raises:
        UsageError: There is no such store; the text is a sentence that says what is wrong.
    """
    found = _find(name)
    if not IPolicyStore.providedBy(found):
        if not callable(found):
            raise UsageError(f"--store {shown(name)} neither provides IPolicyStore nor is a callable that gives one.")
        try:
            found = found(reactor)
        except Exception as error:
            raise UsageError(f"--store {shown(name)}, called with the reactor, fails: {_in_words(error)}.") from error
    try:
        verifyObject(IPolicyStore, found)
    except Invalid as error:
        raise UsageError(f"--store {shown(name)} does not give a store: {_in_words(error)}") from None
    store: IPolicyStore = found
    return store


def read_store(store: IPolicyStore, snapshot: Snapshot | None = None) -> Change:
    """Read the policies to start with.

    Args:
        store: The store.
        snapshot: Takes the place of a store that can't be read, or gives policies with mistakes.

    Raises:
        InvalidPolicies: The policies have mistakes, or neither can be read.
        UsageError: The store gives something other than policies.
    """
    try:
        change = store.read()
    except InvalidPolicies as error:
        invalid = error
    except Exception as error:  # noqa: BLE001 - an operator is to read a line, whatever a store does
        message = f"The store can't be read: {_in_words(error)}."
        invalid = InvalidPolicies([PolicyError(UNREADABLE, message, file=store.name)])
    else:
        if not isinstance(change, Change) or change.base is not None:
            raise UsageError(f"--store: read() of {shown(store.name)} does not give a Change that leads from nothing.")
        return change
    if snapshot is None:
        raise invalid
    kept = snapshot.in_place_of(invalid, is_start=True)
    return Change.whole(kept.policy_set, loaded_at=kept.loaded_at, mistakes=invalid)


def _find(name: str) -> Any:
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise UsageError(f"--store {shown(name)} is not of the form MODULE:NAME.")
    try:
        found: Any = import_module(module_name)
    except Exception as error:
        raise UsageError(f"--store: can't import {shown(module_name)}: {_in_words(error)}.") from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise UsageError(f"--store: there is no {shown(path)} in {shown(module_name)}.")
        found = getattr(found, part)
    return found


def _in_words(error: Exception) -> str:
    # Interfaces explain what is wrong on several lines.
    text = " ".join(str(error).split())
    said = text if isinstance(error, Invalid) else f"{type(error).__name__}: {text}".removesuffix(": ")
    return cut(ascii(without_userinfo(said))[1:-1], 300)
