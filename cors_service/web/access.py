"""Who may ask for what, where a service knows its callers."""

from __future__ import annotations

from zope.interface import Attribute, Interface, implementer

from cors_service.access import Access


class IAccess(Interface):
    """Holds who may ask for what."""

    active: Access = Attribute("Who may ask now. Read it once for each request.")

    def as_dict() -> dict[str, object]:
        """What there is to say of it in `/v1/status`, as JSON types."""


@implementer(IAccess)
class FixedAccess:
    """Who may ask, which never changes."""

    def __init__(self, access: Access) -> None:
        self.active = access

    def as_dict(self) -> dict[str, object]:
        """Say how many callers there are."""
        return counted(self.active)


def counted(access: Access) -> dict[str, object]:
    """How many callers of each kind there are."""
    return {"tokens": len(access.tokens), "certificates": len(access.certificates)}
