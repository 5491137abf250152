"""Makes `cors` known to twist and twistd, and `https:` to servers. What they need is imported when it is used."""

from typing import Any

from twisted.application.service import ServiceMaker
from twisted.internet.interfaces import IStreamServerEndpoint, IStreamServerEndpointStringParser
from twisted.plugin import IPlugin
from zope.interface import implementer

corsService = ServiceMaker(
    "cors-service",
    "cors_service.tap",
    "A CORS policy service: says which web origins may call which services, and the headers to emit.",
    "cors",
)


@implementer(IPlugin, IStreamServerEndpointStringParser)
class _HTTPS:
    """Reads `https:PORT:key=FILE:cert=FILE[:clientCA=FILE][:interface=ADDRESS]`."""

    prefix = "https"

    def parseStreamServer(self, reactor: Any, *args: Any, **kwargs: Any) -> IStreamServerEndpoint:
        """Make the endpoint."""
        from cors_service.server.https import parse_https

        return parse_https(reactor, *args, **kwargs)


https = _HTTPS()
