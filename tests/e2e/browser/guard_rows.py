"""What pages can have browsers send, what that looks like on the wire, and what a guard makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

SITE: Final = "app.guard.localhost"
"""The name of the guarded site."""
SIBLING: Final = "old.guard.localhost"
"""A name of the same site, as browsers see it: a sub-domain that was left dangling."""
LISTED: Final = "listed.localhost"
"""The name of a site that a rule covers."""
FOREIGN: Final = "evil.localhost"
"""The name of a site that none covers."""
PLAIN: Final = "plain.example"
"""Another name of the guarded site, which is not loopback: without TLS, browsers take it for insecure."""
REBOUND: Final = "rebound.example"
"""A name of somebody else that leads to the guarded site."""

# Each takes the URL to ask. What leaves the page waits until the driver has its answer.
_FORM: Final = """
const form = Object.assign(document.createElement("form"), {method: METHOD, action: url});
document.body.append(form);
setTimeout(() => form.submit(), 0);
"""
POST_FORM: Final = _FORM.replace("METHOD", '"POST"')
GET_FORM: Final = _FORM.replace("METHOD", '"GET"')
LINK: Final = "setTimeout(() => { location.href = url; }, 0);"
_ELEMENT: Final = "document.body.append(Object.assign(document.createElement('NAME'), {SOURCE: url}));"
IMAGE: Final = _ELEMENT.replace("NAME", "img").replace("SOURCE", "src")
SCRIPT: Final = _ELEMENT.replace("NAME", "script").replace("SOURCE", "src")
FRAME: Final = _ELEMENT.replace("NAME", "iframe").replace("SOURCE", "src")
PREFETCH: Final = _ELEMENT.replace("NAME", "link").replace("SOURCE: url", "rel: 'prefetch', href: url")
BEACON: Final = "navigator.sendBeacon(url, 'x');"
READ: Final = "fetch(url).catch(() => 0);"
SIMPLE_POST: Final = "fetch(url, {method: 'POST', mode: 'no-cors', body: 'x'}).catch(() => 0);"
SIMPLE_GET: Final = "fetch(url, {mode: 'no-cors'}).catch(() => 0);"
JSON_POST: Final = """
fetch(url, {method: "POST", headers: {"content-type": "application/json"}, body: "{}"}).catch(() => 0);
"""
EVENTS: Final = "new EventSource(url);"
WEBSOCKET: Final = "new WebSocket(url.replace('http', 'ws'));"
_SANDBOX: Final = """
document.body.append(Object.assign(document.createElement("iframe"), {
  sandbox: "allow-scripts allow-forms", srcdoc: `<body><script>{ const url = "${url}"; ACTION }<\\/script>`
}));
"""


def sandboxed(action: str) -> str:
    """Do it in a frame whose origin is `null`."""
    return _SANDBOX.replace("ACTION", action)


class Sent(NamedTuple):
    """What a browser says of where a request comes from; None for a header that is missing.

    Attributes:
        origin: The `Origin`: the name of a site, or `null`.
        site: The `Sec-Fetch-Site`.
        mode: The `Sec-Fetch-Mode`.
        dest: The `Sec-Fetch-Dest`.
    """

    origin: str | None
    site: str | None = None
    mode: str | None = None
    dest: str | None = None


@dataclass(frozen=True)
class Row:
    """Something that a page does.

    Attributes:
        name: What it is called here, and in its path.
        page: The name of the page's site; None if a person opens the URL.
        action: The script, which takes a `url`.
        sent: What browsers send.
        code: The reason of a guard that is about all requests.
        host: By which name the guarded site is called.
        referrer: The `Referrer-Policy` of the page.
        through: The name of a site that leads the request on.
        otherwise: What a browser sends that does not do as others do, by its name.
    """

    name: str
    page: str | None
    action: str
    sent: Sent
    code: str
    host: str = SITE
    referrer: str = ""
    through: str | None = None
    otherwise: Mapping[str, Sent] = field(default_factory=dict)

    def sent_by(self, browser: str) -> Sent:
        """What a browser sends."""
        return self.otherwise.get(browser, self.sent)


def _websocket(name: str, page: str, origin: str, site: str, code: str, action: str = WEBSOCKET) -> Row:
    """A handshake, with which Chromium sends no Sec-Fetch-* at all, and Firefox another destination than it should."""
    said = {"chromium": Sent(origin), "firefox": Sent(origin, site, "websocket", "empty")}
    return Row(name, page, action, Sent(origin, site, "websocket", "websocket"), code, otherwise=said)


_OWN: Final = ("same-origin", "cors", "empty")
_CROSS: Final = ("cross-site", "cors", "empty")
_SIMPLE: Final = ("cross-site", "no-cors", "empty")
_LED: Final = ("cross-site", "navigate", "document")

ROWS: Final = (
    # From the site's own pages.
    Row("own-read", SITE, READ, Sent(None, *_OWN), "own-page"),
    Row("own-post", SITE, JSON_POST, Sent(SITE, *_OWN), "same-origin"),
    Row("own-form", SITE, POST_FORM, Sent(SITE, "same-origin", "navigate", "document"), "same-origin"),
    Row("own-image", SITE, IMAGE, Sent(None, "same-origin", "no-cors", "image"), "own-page"),
    Row("own-events", SITE, EVENTS, Sent(None, *_OWN), "own-page"),
    Row("own-link", SITE, LINK, Sent(None, "same-origin", "navigate", "document"), "own-page"),
    Row(
        "own-form-no-referrer",
        SITE,
        POST_FORM,
        Sent("null", "same-origin", "navigate", "document"),
        "own-page",
        referrer="no-referrer",
    ),
    _websocket("own-websocket", SITE, SITE, "same-origin", "same-origin"),
    # From pages that a rule covers.
    Row("listed-read", LISTED, READ, Sent(LISTED, *_CROSS), "allowed"),
    Row("listed-post", LISTED, SIMPLE_POST, Sent(LISTED, *_SIMPLE), "allowed"),
    Row("listed-events", LISTED, EVENTS, Sent(LISTED, *_CROSS), "allowed"),
    Row("listed-image", LISTED, IMAGE, Sent(None, "cross-site", "no-cors", "image"), "cross-site"),
    _websocket("listed-websocket", LISTED, LISTED, "cross-site", "allowed"),
    # From persons, and from pages that only lead to the site.
    Row("opened", None, "", Sent(None, "none", "navigate", "document"), "user-initiated"),
    Row("link", FOREIGN, LINK, Sent(None, *_LED), "navigation"),
    Row("get-form", FOREIGN, GET_FORM, Sent(None, *_LED), "navigation"),
    Row("sibling-link", SIBLING, LINK, Sent(None, "same-site", "navigate", "document"), "navigation"),
    # From pages that no rule covers, with an Origin.
    Row("form", FOREIGN, POST_FORM, Sent(FOREIGN, *_LED), "origin-not-allowed"),
    Row("read", FOREIGN, READ, Sent(FOREIGN, *_CROSS), "origin-not-allowed"),
    Row("simple-post", FOREIGN, SIMPLE_POST, Sent(FOREIGN, *_SIMPLE), "origin-not-allowed"),
    Row("beacon", FOREIGN, BEACON, Sent(FOREIGN, *_SIMPLE), "origin-not-allowed"),
    Row("events", FOREIGN, EVENTS, Sent(FOREIGN, *_CROSS), "origin-not-allowed"),
    Row("sibling-form", SIBLING, POST_FORM, Sent(SIBLING, "same-site", "navigate", "document"), "origin-not-allowed"),
    _websocket("websocket", FOREIGN, FOREIGN, "cross-site", "origin-not-allowed"),
    _websocket("sibling-websocket", SIBLING, SIBLING, "same-site", "origin-not-allowed"),
    # With `Origin: null`.
    Row("form-no-referrer", FOREIGN, POST_FORM, Sent("null", *_LED), "origin-not-allowed", referrer="no-referrer"),
    Row(
        "simple-post-no-referrer",
        FOREIGN,
        SIMPLE_POST,
        Sent("null", *_SIMPLE),
        "origin-not-allowed",
        referrer="no-referrer",
        otherwise={"chromium": Sent(FOREIGN, *_SIMPLE)},
    ),
    Row("own-form-led-on", SITE, POST_FORM, Sent("null", *_LED), "origin-not-allowed", through=FOREIGN),
    Row("sandbox-read", SITE, sandboxed(READ), Sent("null", *_CROSS), "origin-not-allowed"),
    Row("sandbox-post", SITE, sandboxed(SIMPLE_POST), Sent("null", *_SIMPLE), "origin-not-allowed"),
    Row(
        "sandbox-form",
        SITE,
        sandboxed(POST_FORM),
        Sent("null", "cross-site", "navigate", "iframe"),
        "origin-not-allowed",
    ),
    _websocket("sandbox-websocket", SITE, "null", "cross-site", "origin-not-allowed", sandboxed(WEBSOCKET)),
    # From pages that no rule covers, without an Origin.
    Row("image", FOREIGN, IMAGE, Sent(None, "cross-site", "no-cors", "image"), "cross-site"),
    Row("script", FOREIGN, SCRIPT, Sent(None, "cross-site", "no-cors", "script"), "cross-site"),
    Row("frame", FOREIGN, FRAME, Sent(None, "cross-site", "navigate", "iframe"), "cross-site"),
    Row("prefetch", FOREIGN, PREFETCH, Sent(None, *_SIMPLE), "cross-site"),
    Row("simple-get", FOREIGN, SIMPLE_GET, Sent(None, *_SIMPLE), "cross-site"),
    Row("sibling-image", SIBLING, IMAGE, Sent(None, "same-site", "no-cors", "image"), "cross-site"),
    # To a name without TLS that is not loopback, browsers send no Sec-Fetch-*: no guard sees where an image comes from.
    Row("plain-post", FOREIGN, SIMPLE_POST, Sent(FOREIGN), "origin-not-allowed", host=PLAIN),
    Row("plain-image", FOREIGN, IMAGE, Sent(None), "no-origin", host=PLAIN),
    # By a name that leads to the site and is not one of its own: what the page asks for is its own, as it seems.
    Row("rebound-read", REBOUND, READ, Sent(None), "host-not-allowed", host=REBOUND),
    Row("rebound-post", REBOUND, JSON_POST, Sent(REBOUND), "host-not-allowed", host=REBOUND),
    Row("rebound-events", REBOUND, EVENTS, Sent(None), "host-not-allowed", host=REBOUND),
    Row("rebound-websocket", REBOUND, WEBSOCKET, Sent(REBOUND), "host-not-allowed", host=REBOUND),
)
