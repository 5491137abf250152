"""All gateways."""

from __future__ import annotations

from typing import Final

from gateways import apache, caddy, envoy, haproxy, nginx, traefik

GATEWAYS: Final = (
    nginx.GATEWAY,
    haproxy.GATEWAY,
    caddy.GATEWAY,
    apache.GATEWAY,
    envoy.GATEWAY,
    traefik.GATEWAY,
)
