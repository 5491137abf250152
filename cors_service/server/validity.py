"""When certificates are valid, and what to say of those that are not, or not for long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

WARNS_BEFORE = timedelta(days=14)
"""How long before the end of a certificate there are warnings."""


class Validity(NamedTuple):
    """When a certificate is valid.

    Attributes:
        file: The file that it is in, as an endpoint's description names it: `cert=/etc/tls/cert.pem`.
        begins: Its first moment.
        ends: Its last moment.
    """

    file: str
    begins: datetime
    ends: datetime

    def why_not(self, now: datetime) -> str | None:
        """Say why it is not valid; None if it is."""
        if now > self.ends:
            return f"{self.file} expired on {_written(self.ends)}"
        if now < self.begins:
            return f"{self.file} is not valid before {_written(self.begins)}"
        return None

    def warning(self, now: datetime) -> str | None:
        """Say that it is not valid, or not for long; None if it is."""
        if now <= self.ends < now + WARNS_BEFORE:
            return f"{self.file} expires on {_written(self.ends)}"
        return self.why_not(now)


class Validities(NamedTuple):
    """When the certificates of an endpoint are valid.

    Attributes:
        own: That of its own certificate.
        authorities: Those of the authorities that sign clients' certificates.
    """

    own: Validity
    authorities: Sequence[Validity] = ()

    def why_not(self, now: datetime) -> str | None:
        """Say why clients can't connect, or none of those with certificates; None if they can."""
        reasons = [authority.why_not(now) for authority in self.authorities]
        return self.own.why_not(now) or (reasons[0] if reasons and all(reasons) else None)

    def warnings(self, now: datetime) -> Iterator[str]:
        """Say of each certificate that is not valid, or not for long, until when it is."""
        return filter(None, (validity.warning(now) for validity in (self.own, *self.authorities)))


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
