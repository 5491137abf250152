"""The differences between browsers and the standard."""

from __future__ import annotations

from enum import Enum

CHROMIUM_MAX_AGE_CAP = 7_200
"""The longest that Chromium keeps a preflight's answer, in seconds (``PreflightResult``, ``kMaxTimeout``)."""

FIREFOX_MAX_AGE_CAP = 86_400
"""The longest that Firefox keeps a preflight's answer, in seconds."""


class Behaviour(Enum):
    """The browsers that are modelled.

    Chromium differs from the standard in these points:

    * ``*`` in Access-Control-Allow-Headers lets ``Authorization`` pass a preflight (Firefox and Safari do the
      same: https://github.com/whatwg/fetch/issues/1919); the cached ``*`` does not cover it;
    * a preflight that is redirected fails before its headers are looked at;
    * a negative Access-Control-Max-Age is 0 s instead of malformed, and one beyond 64 bits is malformed;
    * a missing Access-Control-Allow-Methods allows no method but GET, HEAD and POST, whatever the
      use-CORS-preflight flag says;
    * a ``*`` which was cached with credentials stays a literal name;
    * the preflight cache has one answer for a page's origin and a URL, kept as a whole: the next one takes its
      place, where the standard adds to the methods and names that it has; and what is kept of an answer lets
      GET, HEAD and POST go without naming them, whatever the use-CORS-preflight flag says;
    * each opaque origin has answers of its own there; in the standard all of them are ``null``, and share.

    Not modelled: the client hints (``DPR``, ``Save-Data``, ...) which Chromium safelists in requests; that it
    keeps no answer for a URL of 1024 bytes or more; that the standard forgets what it has kept when the answer to
    a request itself fails the CORS check (https://fetch.spec.whatwg.org/#main-fetch, step 12), and Chromium does
    not.
    """

    STANDARD = "standard"
    CHROMIUM = "chromium"
