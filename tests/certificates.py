"""Certificates for a test: an authority, and who it has signed."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


class Signed(NamedTuple):
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    @property
    def both(self) -> bytes:
        """In one file."""
        return self.key + self.certificate


def written(directory: Path, signed: Signed, name: str = "service") -> tuple[Path, Path]:
    """Write a key and its certificate into files, and give their paths."""
    key, certificate = directory / f"{name}.key", directory / f"{name}.crt"
    key.write_bytes(signed.key)
    certificate.write_bytes(signed.certificate)
    return key, certificate


class Authority:
    """Signs certificates.

    Attributes:
        certificate: Its own, as PEM.
    """

    def __init__(self, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = self._key.public_key()
        own = self._sign(
            self._name,
            self._public,
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (_SIGNS, True),
            (x509.SubjectKeyIdentifier.from_public_key(self._public), False),
        )
        self.certificate = own.public_bytes(serialization.Encoding.PEM)

    def sign(self, name: str, *, hours: float = 24) -> Signed:
        """Make a certificate for something at 127.0.0.1.

        Args:
            name: The common name of the subject.
            hours: For how long from now it is valid; negative for one that has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._sign(subject, key.public_key(), (address, False), hours=hours)
        pem = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        return Signed(made.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *extensions: tuple[x509.ExtensionType, bool],
        hours: float = 24,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=24))
            .not_valid_after(now + dt.timedelta(hours=hours))
            # Python 3.13 accepts no certificate without it (RFC 5280, 4.2.1.1).
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._public), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())
