"""Whether a process needs TLS: without it, a start takes a quarter less time, and a process 12 MiB less."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final, cast

from cors_service.daemon.settings import Settings

# Endpoints that do without, also behind a prefix that wraps another.
_PLAIN: Final = re.compile(r"(?:haproxy:)?(?:tcp|tcp6|unix|systemd|stdio):")
_LIBRARY: Final = "OpenSSL"


def needs_tls(settings: Settings) -> bool:
    """Say whether TLS may be needed: by an endpoint that is not of a kind known to do without, or by an own store."""
    endpoints = chain.from_iterable(settings.listeners.values())
    return settings.store is not None or not all(map(_PLAIN.match, endpoints))


@contextmanager
def imports_for(settings: Settings) -> Iterator[None]:
    """Let Twisted be imported as where pyOpenSSL is not installed, unless TLS is needed or loaded already."""
    if needs_tls(settings) or _LIBRARY in sys.modules:
        yield
        return
    # None stands for a module that can't be found: https://docs.python.org/3/reference/import.html#the-module-cache
    modules = cast(dict[str, Any], sys.modules)
    modules[_LIBRARY] = None
    try:
        yield
    finally:
        del modules[_LIBRARY]
