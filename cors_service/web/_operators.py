"""What operators read, as a tree of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cors_service.web._about import LiveEndpoint, OpenAPIEndpoint, ReadyEndpoint
from cors_service.web.endpoint import Endpoint, NotFound
from cors_service.web.hosts import Hosts


class OperatorTree(NotFound):
    """The root of a tree for operators: the policies and the status; nothing decides.

    Attributes:
        ids: The names of its answers.
        ready: The resource at `/readyz`.
    """

    def __init__(self, ids: Iterator[bytes], ready: ReadyEndpoint, endpoints: Mapping[bytes, Endpoint]) -> None:
        """Make one.

        Args:
            ids: The names of its answers.
            ready: Says whether the service is ready, here and elsewhere.
            endpoints: Those beneath `/v1`, by their names.
        """
        super().__init__(ids)
        self.ready = ready
        self.putChild(b"livez", LiveEndpoint(ids))
        self.putChild(b"readyz", ready)
        self.putChild(b"openapi.json", OpenAPIEndpoint(ids))
        api = NotFound(ids)
        self.putChild(b"v1", api)
        self._endpoints = endpoints
        for name, endpoint in endpoints.items():
            api.putChild(name, endpoint)

    def restrict_to(self, hosts: Hosts | None) -> None:
        """Answer requests by these names alone; None for any."""
        for endpoint in self._endpoints.values():
            endpoint.hosts = hosts
