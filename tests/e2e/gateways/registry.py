"""All gateways."""

from __future__ import annotations

from typing import Final

from tests.e2e.gateways import apache, caddy, envoy, haproxy, nginx, traefik

GATEWAYS: Final = (
    nginx.GATEWAY,
    haproxy.GATEWAY,
    caddy.GATEWAY,
    apache.GATEWAY,
    envoy.GATEWAY,
    traefik.GATEWAY,
)
