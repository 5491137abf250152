"""Where browsers differ from the standard, and how far."""

from __future__ import annotations

from enum import Enum

CHROMIUM_MAX_AGE_CAP = 7_200
"""The longest that Chromium keeps a preflight's answer, in seconds (``PreflightResult``, ``kMaxTimeout``)."""

FIREFOX_MAX_AGE_CAP = 86_400
"""The longest that Firefox keeps a preflight's answer, in seconds."""


class Behaviour(Enum):
    """Whose behaviour is modelled.

    Chromium differs from the standard in this:

    * ``*`` in Access-Control-Allow-Headers lets ``Authorization`` pass a preflight (Firefox and Safari do the
      same: https://github.com/whatwg/fetch/issues/1919); the cached ``*`` does not cover it;
    * a preflight that is redirected fails before its headers are looked at;
    * a negative Access-Control-Max-Age is 0 s instead of malformed, and one beyond 64 bits is malformed;
    * a missing Access-Control-Allow-Methods allows no method but GET, HEAD and POST, whatever the
      use-CORS-preflight flag says;
    * a ``*`` which was cached with credentials stays a literal name.

    Not modelled: the client hints (``DPR``, ``Save-Data``, ...) which Chromium safelists in requests; that it
    caches a preflight's answer as a whole, which matters to the use-CORS-preflight flag alone.
    """

    STANDARD = "standard"
    CHROMIUM = "chromium"
