"""TLS with the client's own certificate, for services that only let in known clients."""

from __future__ import annotations

from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer


@implementer(IPolicyForHTTPS)
class ClientTLS:
    """The certificate that a client presents, and the authority that it trusts."""

    def __init__(self, *, certificate: bytes | None = None, authority: bytes | None = None) -> None:
        """Read certificates.

        Args:
            certificate: The client's certificate and its private key, as PEM; None for none.
            authority: Who signed the service's certificate, as PEM; by default whoever the system trusts.

        Raises:
            ValueError: One of them is not PEM.
        """
        from twisted.internet.ssl import Certificate, PrivateCertificate, platformTrust, trustRootFromCertificates

        try:
            self._certificate = None if certificate is None else PrivateCertificate.loadPEM(certificate)
            self._trust = (
                platformTrust() if authority is None else trustRootFromCertificates([Certificate.loadPEM(authority)])
            )
        except Exception as error:
            raise ValueError(f"A certificate can't be read: {error}") from error

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        """Give what makes connections to a host."""
        from twisted.internet.ssl import optionsForClientTLS

        return optionsForClientTLS(hostname.decode("ascii"), trustRoot=self._trust, clientCertificate=self._certificate)
