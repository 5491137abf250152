"""The differences between browsers and the standard."""

from __future__ import annotations

from enum import Enum
from typing import Final

CHROMIUM_MAX_AGE_CAP = 7_200
"""The longest that Chromium keeps a preflight's answer, in seconds (``PreflightResult``, ``kMaxTimeout``)."""

FIREFOX_MAX_AGE_CAP = 86_400
"""The longest that Firefox keeps a preflight's answer, in seconds (``nsCORSPreflightListener``)."""

WEBKIT_MAX_AGE_CAP = 600
"""The longest that WebKit keeps a preflight's answer, in seconds (``maxPreflightCacheTimeout``)."""


class Behaviour(Enum):
    """The browsers that are modelled.

    All three differ from the standard in these points:

    * ``*`` in Access-Control-Allow-Headers lets ``Authorization`` pass a preflight
      (https://github.com/whatwg/fetch/issues/1919);
    * a missing Access-Control-Allow-Methods allows no method but GET, HEAD and POST, whatever the
      use-CORS-preflight flag says.

    Chromium:

    * a preflight that is redirected fails before its headers are looked at;
    * a negative Access-Control-Max-Age is 0 s instead of malformed, and one beyond 64 bits is malformed;
    * the preflight cache has one answer for a page's origin and a URL, kept as a whole: the next one takes its
      place, where the standard adds to the methods and names that it has; and what is kept of an answer lets
      GET, HEAD and POST go without naming them, whatever the use-CORS-preflight flag says;
    * each opaque origin has answers of its own there; in the standard and in Firefox all of them are ``null``, and
      share;
    * the cached ``*`` does not cover ``Authorization``, and one that was cached with credentials stays a literal name.

    Firefox:

    * what was preflighted before a redirect is preflighted after it, needed or not; that preflight names the origin of
      the page, where the request itself is from ``null``;
    * the methods are looked at before the list of headers is read;
    * a malformed or repeated Access-Control-Max-Age is 0 s instead of 5 s;
    * ``*`` stays a literal name in the preflight cache, and HEAD needs to be listed there; what was kept for requests
      with credentials does not serve those without, nor the other way round.

    WebKit:

    * a preflight with a status other than 200 to 299, redirects among them, fails before its headers are looked at;
    * what was preflighted before a redirect is preflighted after it, needed or not; where that leads to another origin
      it asks for ``Authorization``, which the request itself does not have any more;
    * Access-Control-Max-Age is read as in Chromium;
    * the preflight cache has one answer for a page's origin and a URL, and each opaque origin its own, as in
      Chromium; a ``*`` covers ``Authorization`` there, too.

    Not modelled: the client hints (``DPR``, ``Save-Data``, ...) which Chromium safelists in requests; that it
    keeps no answer for a URL of 1024 bytes or more; that Firefox forgets an answer when the host's address is looked
    up anew, and what it got for more than 100 URLs; that Chromium and WebKit do not forget what they have kept when
    the answer to a request itself fails the CORS check, as the standard and Firefox do
    (https://fetch.spec.whatwg.org/#main-fetch, step 12), but by `sent_preflights`.
    """

    STANDARD = "standard"
    CHROMIUM = "chromium"
    FIREFOX = "firefox"
    WEBKIT = "webkit"


ENGINES: Final = (Behaviour.CHROMIUM, Behaviour.FIREFOX, Behaviour.WEBKIT)
"""The engines of browsers."""

MAX_AGE_CAPS: Final = {
    Behaviour.CHROMIUM: CHROMIUM_MAX_AGE_CAP,
    Behaviour.FIREFOX: FIREFOX_MAX_AGE_CAP,
    Behaviour.WEBKIT: WEBKIT_MAX_AGE_CAP,
}
"""The longest that each engine keeps a preflight's answer, in seconds."""
