"""Certificates for a test: an authority, and who it has signed."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Signed(NamedTuple):
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    @property
    def both(self) -> bytes:
        """In one file."""
        return self.key + self.certificate


class Authority:
    """Signs certificates.

    Attributes:
        certificate: Its own, as PEM.
    """

    def __init__(self, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = self._key.public_key()
        own = self._sign(self._name, self._public, x509.BasicConstraints(ca=True, path_length=None))
        self.certificate = own.public_bytes(serialization.Encoding.PEM)

    def sign(self, name: str) -> Signed:
        """Make a certificate for something at 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        made = self._sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), address)
        pem = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        return Signed(made.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )
