"""What a gateway does that guards an application: which requests reach it, and which get a 403."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.e2e.gateways import apache, caddy, envoy, haproxy, nginx, traefik
from tests.e2e.gateways.gateway import Gateway
from tests.e2e.scenarios import HOST, PARTNER, STRANGER

OWN: Final = f"http://{HOST}"
"""The origin of the site's own pages."""

_RULES: Final = f"""
origins = ["{PARTNER}"]
methods = ["GET", "PUT"]
"""
POLICIES: Final = f"""
version = 1

[policies.tools]{_RULES}
[policies.tools.guard]
hosts = ["{HOST}"]

[policies.pages]{_RULES}
[policies.pages.guard]
requests = ["state-changing", "websocket"]
without_origin = "refuse"
hosts = ["{HOST}"]

[policies.trial]{_RULES}
[policies.trial.guard]
without_origin = "refuse"
hosts = ["{HOST}"]
mode = "report"
"""
"""A guard of all requests, one of some, and one that only reports."""

ON: Final[Mapping[str, Mapping[str, str]]] = {
    "nginx": {
        "include cors-location.conf;": "include cors-guard.conf;",
        "# proxy_http_version 1.1;": "proxy_http_version 1.1;",
        "# proxy_set_header Upgrade ": "proxy_set_header Upgrade ",
        "# proxy_set_header Connection ": "proxy_set_header Connection ",
    },
    "haproxy": {
        "    http-request lua.cors-decide": "    # http-request lua.cors-decide",
        "# http-request lua.cors-guard": "http-request lua.cors-guard",
        "# http-request deny": "http-request deny",
    },
    "caddy": {"import cors_decide": "import cors_guard"},
    "apache": {"# SetEnvIf": "SetEnvIf", " nocanon": " nocanon upgrade=websocket"},
    "envoy": {
        "# upgrade_configs": "upgrade_configs",
        "failure_mode_allow: true": "failure_mode_allow: false",
        "path_prefix: /v1/ext-authz/": "path_prefix: /v1/enforce/",
    },
    "traefik": {
        "middlewares: [cors-1,": "middlewares: [cors-guard, cors-1,",
        "middlewares: [cors-2,": "middlewares: [cors-guard, cors-2,",
        "middlewares: [cors-same-site,": "middlewares: [cors-guard, cors-same-site,",
        "middlewares: [cors-none]": "middlewares: [cors-guard, cors-none]",
    },
}
"""What to change in each configuration to have the guard on, and WebSockets, as docs/gateways.md says."""

BEHIND_TLS: Final[Mapping[str, Mapping[str, str]]] = {
    "nginx": {
        "X-Forwarded-Proto $scheme;": "X-Forwarded-Proto https;",
        "X-Original-URL $scheme:": "X-Original-URL https:",
    },
    "haproxy": {'{txn.f:ssl_fc() == 1 and "https" or "http"}': '{"https"}'},
    "caddy": {
        "header_up X-Forwarded-Uri {uri}\n": "header_up X-Forwarded-Uri {uri}\n\theader_up X-Forwarded-Proto https\n"
    },
    "apache": {'(r.is_https and "https" or "http")': '"https"'},
    "envoy": {"use_remote_address: true\n": f"use_remote_address: true\n{' ' * 16}xff_num_trusted_hops: 1\n"},
    "traefik": {
        "middlewares: [cors-unknown, ": "middlewares: [cors-https, cors-unknown, ",
        "  middlewares:\n": "  middlewares:\n    cors-https:\n      headers:\n"
        "        customRequestHeaders: {X-Forwarded-Proto: https}\n",
    },
}
"""What to change in each configuration if something in front of it ends TLS, as docs/gateways.md says."""

GATEWAYS: Final[tuple[Gateway, ...]] = (
    nginx.GATEWAY,
    haproxy.GATEWAY,
    caddy.GATEWAY,
    apache.GATEWAY,
    envoy.GATEWAY,
    traefik.GATEWAY,
)


@dataclass(frozen=True)
class Asked:
    """A request, as a client sends it.

    Attributes:
        name: What it is called in the tests.
        refused_by: The policies of POLICIES that refuse it.
        method: Its method, or WEBSOCKET.
        origin: Its Origin.
        fetch: The values of Sec-Fetch-Site, -Mode and -Dest, separated by spaces.
        host: By which name it calls the site.
        lines: Further header lines.
    """

    name: str
    refused_by: frozenset[str]
    method: str = "GET"
    origin: str | None = None
    fetch: str = ""
    host: str = HOST
    lines: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Its header lines but Host."""
        names = ("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")
        said = list(zip(names, self.fetch.split(), strict=False))
        return [*([("Origin", self.origin)] if self.origin else []), *said, *self.lines]


WEBSOCKET: Final = "WEBSOCKET"
_NOBODY: Final[frozenset[str]] = frozenset()
_TOOLS: Final = frozenset({"tools"})
_PAGES: Final = frozenset({"pages"})
_BOTH: Final = frozenset({"tools", "pages"})
_CROSS: Final = "cross-site no-cors empty"
_FORGED: Final = (
    ("X-Forwarded-Host", HOST),
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Uri", "/"),
)

ASKED: Final = (
    Asked("own page posts", _NOBODY, "POST", OWN, "same-origin cors empty"),
    Asked("own page posts without a referrer", _NOBODY, "POST", "null", "same-origin navigate document"),
    Asked("own page reads", _NOBODY, fetch="same-origin cors empty"),
    Asked("listed page puts", _NOBODY, "PUT", PARTNER, "cross-site cors empty"),
    Asked("listed page deletes", _BOTH, "DELETE", PARTNER, "cross-site cors empty"),
    Asked("foreign page posts", _BOTH, "POST", STRANGER, _CROSS),
    Asked("foreign page posts without a referrer", _BOTH, "POST", "null", "cross-site navigate document"),
    Asked("foreign page reads", _TOOLS, origin=STRANGER, fetch="cross-site cors empty"),
    Asked("foreign page shows an image", _TOOLS, fetch="cross-site no-cors image"),
    Asked("foreign page shows a frame", _TOOLS, fetch="cross-site navigate iframe"),
    Asked("foreign page links", _NOBODY, fetch="cross-site navigate document"),
    Asked("person opens", _NOBODY, fetch="none navigate document"),
    Asked("program reads", _NOBODY),
    Asked("program posts", _PAGES, "POST"),
    Asked("rebound page reads", _TOOLS, host="rebound.example"),
    Asked("rebound page posts", _BOTH, "POST", "http://rebound.example", host="rebound.example"),
    Asked("rebound page posts and forges", _BOTH, "POST", host="rebound.example", lines=_FORGED),
    Asked("foreign page posts and forges", _BOTH, "POST", STRANGER, _CROSS, lines=_FORGED),
    Asked("own page opens a WebSocket", _NOBODY, WEBSOCKET, OWN),
    Asked("listed page opens a WebSocket", _NOBODY, WEBSOCKET, PARTNER),
    Asked("foreign page opens a WebSocket", _BOTH, WEBSOCKET, STRANGER),
    Asked("rebound page opens a WebSocket", _BOTH, WEBSOCKET, "http://rebound.example", host="rebound.example"),
    Asked("program opens a WebSocket", _PAGES, WEBSOCKET),
    Asked("program opens a WebSocket and forges", _PAGES, WEBSOCKET, lines=_FORGED),
)
