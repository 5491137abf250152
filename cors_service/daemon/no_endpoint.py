"""What is wrong with the description of an endpoint, for people: what Twisted raises then is for its developers."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from typing import Final

from cors_service.daemon.settings import DEFAULT_LISTEN

# The arguments of each kind of endpoint, in the order in which they may stand without a name.
_ARGUMENTS: Final = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "backlog", "interface"),
    "unix": ("path", "mode", "backlog", "lockfile"),
    "ssl": (
        "port",
        "privateKey",
        "certKey",
        "sslmethod",
        "interface",
        "backlog",
        "extraCertChain",
        "dhParameters",
    ),
    "systemd": ("domain", "index", "name"),
}
_NUMBERS: Final = {
    "port": (r"[0-9]+", "a number from 0 to 65535"),
    "backlog": (r"[0-9]+", "a number"),
    "index": (r"[0-9]+", "a number"),
    "lockfile": (r"[01]", "0 or 1"),
    "mode": (r"[0-7]+", "an octal number such as 660"),
    "domain": (r"INET6?|UNIX", "INET, INET6 or UNIX"),
}
# A colon within an argument is written `\:`.
_COLON: Final = re.compile(r"(?<!\\):")
_NAMED: Final = re.compile(r"(\w+)=(.*)", re.DOTALL)
_HOST_AND_PORT: Final = re.compile(r"(?P<host>[0-9.]*):(?P<port>[0-9]+)", re.ASCII)
_LIKE: Final = f"Write something like {DEFAULT_LISTEN}."


def why_no_endpoint(description: str, error: Exception) -> str:
    """Say why a description is not one of an endpoint, and what to write.

    Args:
        description: What the endpoint should be.
        error: What its parser raised.
    """
    kind, *arguments = _COLON.split(description.removeprefix("haproxy:"))
    names = _ARGUMENTS.get(kind)
    if names is None:
        return _why_no_kind(description, kind, error)
    named = [found for found in map(_NAMED.fullmatch, arguments) if found]
    unnamed = [argument for argument in arguments if not _NAMED.fullmatch(argument)]
    values = dict(zip(names, unnamed, strict=False)) | {found[1]: found[2] for found in named}
    why = _why_not_these(kind, names, values)
    if why is None and len(unnamed) > len(names):
        why = f"{kind}: takes no more than {len(names)} arguments"
    if why is not None:
        return f"{why}. {_LIKE}"
    if isinstance(error, OSError):
        return _why_unreadable(description, values, error)
    if kind == "systemd" and isinstance(error, LookupError):
        return "systemd passed no such socket. Is its socket unit started?"
    return f"{error}. {_LIKE}"


def _why_not_these(kind: str, names: tuple[str, ...], values: dict[str, str]) -> str | None:
    """What is wrong with the arguments; None where they look right."""
    if not values.get(names[0]):
        return f"the {names[0]} is missing"
    for name, value in values.items():
        if name not in names and name != "address":
            return f"{kind}: has no {name}="
        pattern, what = _NUMBERS.get(name, ("", ""))
        if pattern and not re.fullmatch(pattern, value):
            return f"the {name} is not {what}"
    if kind == "systemd" and ("index" in values) == ("name" in values):
        return "it needs either index= or name="
    return None


def _why_no_kind(description: str, kind: str, error: Exception) -> str:
    """Why an endpoint of a kind that we don't know, or of none, is not one."""
    if re.fullmatch(r"[0-9]+", description):
        return f"Write tcp:{description} to listen on every address, or tcp:{description}:interface=127.0.0.1."
    found = _HOST_AND_PORT.fullmatch(description)
    if found and not found["host"]:
        return f"Write tcp:{found['port']}."
    if found and _is_address(found["host"]):
        return f"Write tcp:{found['port']}:interface={found['host']}."
    if description.startswith(("/", "./")):
        return f"Write unix:{description}."
    if str(error).startswith("Unknown endpoint type"):
        return f"there is no kind of endpoint {kind!r}. {_LIKE}"
    return f"{error}. {_LIKE}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _why_unreadable(description: str, values: dict[str, str], error: OSError) -> str:
    """Why a key or a certificate can't be read."""
    if "privateKey" not in values:
        return f"its key and certificate are missing. Write {description}:privateKey=FILE:certKey=FILE."
    file = "a file" if error.filename is None else os.fsdecode(error.filename)
    return f"{file} can't be read: {error.strerror or error}."
