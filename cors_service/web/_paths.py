"""A tree of endpoints, each at its path; nothing is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import join

from twisted.web.resource import Resource

from cors_service.observe.interfaces import ITally
from cors_service.web.endpoint import NOWHERE, Endpoint, NotFound


class Paths(NotFound):
    """The root of a tree; nothing is at its own path.

    A path is beneath `/v1` unless it begins with a slash.
    """

    def __init__(self, ids: Iterator[bytes], tally: ITally) -> None:
        """Make one without endpoints.

        Args:
            ids: The names of its answers.
            tally: Counts what is decided and answered.
        """
        super().__init__(ids)
        self.count_by(tally, NOWHERE)

    def put(self, path: bytes, endpoint: Endpoint) -> None:
        """Put an endpoint at a path, and have everything counted that it does."""
        self.counted(path, endpoint)
        resource, name = self._find(path)
        resource.putChild(name, endpoint)

    def drop(self, path: bytes) -> None:
        """Have nothing at a path any more."""
        resource, name = self._find(path)
        del resource.children[name]

    def counted(self, path: bytes, endpoint: Endpoint) -> Endpoint:
        """Have everything counted that an endpoint does for the path at which it answers."""
        endpoint.count_by(self.tally, join(b"/v1", path).decode("ascii"))
        return endpoint

    def _find(self, path: bytes) -> tuple[Resource, bytes]:
        """Give what is above a path, and the name of the path there."""
        *way, name = join(b"/v1", path)[1:].split(b"/")
        resource: Resource = self
        for segment in way:
            if segment not in resource.children:
                resource.putChild(segment, self.nothing())
            resource = resource.children[segment]
        return resource, name
