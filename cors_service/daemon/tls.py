"""Whether a process needs TLS: without it, a start takes a quarter less time, and a process 12 MiB less."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import Any, Final, cast

from cors_service.daemon.settings import Settings

# Endpoints that do without, also behind a prefix that wraps another.
_PLAIN: Final = re.compile(r"(?:haproxy:)?(?:tcp|tcp6|unix|systemd|stdio):")
_LIBRARY: Final = "OpenSSL"


def needs_tls(settings: Settings) -> bool:
    """Say whether TLS may be needed: by reports, an own store, or an endpoint not of a kind known to do without."""
    reports = (settings.report_to or "").startswith("https:")
    return settings.store is not None or reports or any_secure(chain.from_iterable(settings.listeners.values()))


def any_secure(endpoints: Iterable[str]) -> bool:
    """Say whether one of these endpoints is not of a kind that is known to do without TLS."""
    return not all(map(_PLAIN.match, endpoints))


def imports_for(settings: Settings) -> AbstractContextManager[None]:
    """Let Twisted be imported as where pyOpenSSL is not installed, unless TLS is needed or loaded already."""
    return imports(with_tls=needs_tls(settings))


@contextmanager
def imports(*, with_tls: bool) -> Iterator[None]:
    """Let Twisted be imported with TLS, or as where pyOpenSSL is not installed, unless it is loaded already."""
    if with_tls or _LIBRARY in sys.modules:
        yield
        return
    # None stands for a module that can't be found: https://docs.python.org/3/reference/import.html#the-module-cache
    modules = cast(dict[str, Any], sys.modules)
    modules[_LIBRARY] = None
    try:
        yield
    finally:
        del modules[_LIBRARY]
