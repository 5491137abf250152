"""What operators read, as a tree of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cors_service.observe.interfaces import ITally
from cors_service.web._about import LiveEndpoint, OpenAPIEndpoint, ReadyEndpoint
from cors_service.web._paths import Paths
from cors_service.web.endpoint import Endpoint
from cors_service.web.hosts import Hosts


class OperatorTree(Paths):
    """The root of a tree for operators: the policies, the status, the metrics; nothing decides.

    Attributes:
        ids: The names of its answers.
        ready: The resource at `/readyz`.
    """

    def __init__(
        self, ids: Iterator[bytes], ready: ReadyEndpoint, endpoints: Mapping[bytes, Endpoint], tally: ITally
    ) -> None:
        """Make one.

        Args:
            ids: The names of its answers.
            ready: Says whether the service is ready, here and elsewhere.
            endpoints: The endpoints for operators, by their paths.
            tally: Counts what is answered.
        """
        super().__init__(ids, tally)
        self.ready = ready
        self.put(b"/livez", LiveEndpoint(ids))
        self.put(b"/readyz", ready)
        self.put(b"/openapi.json", OpenAPIEndpoint(ids))
        self._endpoints = endpoints
        for path, endpoint in endpoints.items():
            self.put(path, endpoint)

    def restrict_to(self, hosts: Hosts | None) -> None:
        """Answer requests by these names alone; None for any."""
        for endpoint in self._endpoints.values():
            endpoint.hosts = hosts


class MetricsTree(OperatorTree):
    """The root of a tree for the metrics alone. Whoever collects them asks each instance by its address."""

    def restrict_to(self, hosts: Hosts | None) -> None:
        """Answer requests by these names and by addresses; None for any name."""
        super().restrict_to(hosts and hosts.with_addresses())
