"""An endpoint for HTTPS, `https:PORT:key=FILE:cert=FILE[:clientCA=FILE][:interface=ADDRESS][:backlog=N]`.

Twisted's own `ssl:` asks no client for a certificate, and reads its own once. This endpoint can ask for one, which
OpenSSL verifies in the handshake: without it there is no connection. All files can be read again while it listens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from zope.interface import Attribute, implementer

from cors_service.access.files import read_small_file, why_unreadable
from cors_service.grammar.mistakes import shown
from cors_service.server.validity import Validities, Validity

if TYPE_CHECKING:
    from OpenSSL.SSL import Connection
    from twisted.internet.ssl import CertificateOptions
    from twisted.protocols.tls import TLSMemoryBIOProtocol

BACKLOG: Final = 1024
"""How many connections wait in the system's queue by default: a burst of them must not lose an honest one."""

_USAGE: Final = "https:PORT:key=FILE:cert=FILE[:clientCA=FILE][:interface=ADDRESS]"
_ARGUMENTS: Final = {"port", "key", "cert", "clientCA", "interface", "backlog"}
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_LONGEST_FILE: Final = 1024 * 1024


class WrongEndpoint(ValueError):
    """The description of an endpoint is wrong; the text is a sentence."""


class IReloadingEndpoint(IStreamServerEndpoint):
    """An endpoint that reads files, and can read them again."""

    description: str = Attribute("What people call it.")

    def reload() -> None:
        """Read the files again; keep what was read before if that fails, and say so in the log."""

    def warn() -> None:
        """Say in the log which certificates expire soon, or are not valid."""


class Files:
    """The files of an endpoint.

    Attributes:
        key: The private key, as PEM.
        certificate: The certificate, followed by those that lead to its authority, as PEM.
        authorities: Who must have signed the certificates of clients, as PEM; None for clients without any.
    """

    def __init__(self, key: Path, certificate: Path, authorities: Path | None) -> None:
        self.key = key
        self.certificate = certificate
        self.authorities = authorities

    def read(self) -> tuple[CertificateOptions, Validities]:
        """Read all of them, and when their certificates are valid.

        Raises:
            WrongEndpoint: One can't be read, or they do not fit together.
        """
        from twisted.internet.ssl import CertificateOptions, TLSVersion, trustRootFromCertificates

        wrong: list[str] = []
        authorities: list[Any] = []
        with _collecting(wrong):
            key = _private_key("key", self.key)
        with _collecting(wrong):
            own, *chain = (one.original.to_cryptography() for one in _certificates("cert", self.certificate))
        with _collecting(wrong):
            if self.authorities is not None:
                authorities = _certificates("clientCA", self.authorities)
        if wrong:
            raise WrongEndpoint(" ".join(wrong))
        if own.public_key() != key.public_key():
            raise WrongEndpoint(
                f"key={_shown(self.key)} does not belong to the first certificate in cert={_shown(self.certificate)}."
            )
        try:
            options = CertificateOptions(
                privateKey=key,
                certificate=own,
                extraCertChain=chain,
                trustRoot=trustRootFromCertificates(authorities) if authorities else None,
                raiseMinimumTo=TLSVersion.TLSv1_2,
                acceptableProtocols=[b"http/1.1"],
            )
            options.getContext()
        except Exception as error:
            raise WrongEndpoint(f"cert={_shown(self.certificate)} can't be used: {shown(str(error))}.") from error
        return options, Validities(
            _validity("cert", self.certificate, own),
            [_validity("clientCA", self.authorities, one.original.to_cryptography()) for one in authorities],
        )


@implementer(IOpenSSLServerConnectionCreator)
class Credentials:
    """What a server shows of itself, and whom it believes: new connections get what was read last.

    Attributes:
        validities: When the certificates are valid.
    """

    def __init__(self, files: Files) -> None:
        """Read the files.

        Raises:
            WrongEndpoint: They can't be used.
        """
        self._files = files
        self._options, self.validities = files.read()

    def read(self) -> None:
        """Read the files again.

        Raises:
            WrongEndpoint: They can't be used, or are not valid now; what was read before stays.
        """
        options, validities = self._files.read()
        now = datetime.now(UTC)
        why = validities.why_not(now)
        # What is no better stays no longer: the new ones may be what the operator makes do with.
        if why is not None and self.validities.why_not(now) is None:
            raise WrongEndpoint(f"{why}.")
        self._options, self.validities = options, validities

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> Connection:
        """Make the state of a connection."""
        from OpenSSL.SSL import Connection

        return Connection(self._options.getContext(), None)


@implementer(IReloadingEndpoint)
class HTTPSServerEndpoint:
    """Listens for TLS connections.

    Attributes:
        description: What people call it.
    """

    _log: Final = Logger()

    def __init__(self, reactor: Any, port: int, files: Files, *, interface: str = "", backlog: int = BACKLOG) -> None:
        """Make an endpoint, and read its files.

        Args:
            reactor: Listens.
            port: The TCP port; 0 for any.
            files: The key, the certificates and who signs those of clients.
            interface: The address to listen on; all of them by default.
            backlog: How many connections may wait.

        Raises:
            WrongEndpoint: The files can't be used.
        """
        self.description = f"https:{port}"
        self._reactor = reactor
        self._port = port
        self._interface = interface
        self._backlog = backlog
        self._credentials = Credentials(files)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen."""
        from twisted.protocols.tls import TLSMemoryBIOFactory

        factory: Any = TLSMemoryBIOFactory(self._credentials, False, protocolFactory, self._reactor)
        return execute(self._reactor.listenTCP, self._port, factory, backlog=self._backlog, interface=self._interface)

    def reload(self) -> None:
        """Read the files again; keep what was read before if that fails, and say so in the log."""
        try:
            self._credentials.read()
        except WrongEndpoint as error:
            self._log.error("{endpoint} keeps its certificates: {reason}", endpoint=self.description, reason=str(error))
        else:
            self._log.info("{endpoint} has read its certificates", endpoint=self.description)

    def warn(self) -> None:
        """Say in the log which certificates expire soon, or are not valid."""
        for warning in self._credentials.validities.warnings(datetime.now(UTC)):
            self._log.warn("{endpoint}: {warning}", endpoint=self.description, warning=warning)


def parse_https(reactor: Any, *arguments: str, **named: str) -> HTTPSServerEndpoint:
    """Make the endpoint that a description means.

    Args:
        reactor: Listens.
        arguments: What stands between the colons of the description.
        named: The same, for what has a name.

    Raises:
        WrongEndpoint: The description is wrong, or a file that it names.
    """
    if len(arguments) > 1:
        raise WrongEndpoint(f"What is {arguments[1]!a}? Write {_USAGE}.")
    values = {**dict(zip(["port"], arguments, strict=False)), **named}
    for name in values.keys() - _ARGUMENTS:
        raise WrongEndpoint(f"There is no {ascii(name)[1:-1]}= in {_USAGE}.")
    for name in ("port", "key", "cert"):
        if not values.get(name):
            raise WrongEndpoint(f"{'the port' if name == 'port' else f'{name}='} is missing; write {_USAGE}.")
    _check_libraries()
    authorities = values.get("clientCA")
    if authorities == "":
        raise WrongEndpoint(f"clientCA= names no file; write {_USAGE}.")
    files = Files(Path(values["key"]), Path(values["cert"]), None if authorities is None else Path(authorities))
    return HTTPSServerEndpoint(
        reactor,
        _number("the port", values["port"], 65535),
        files,
        interface=values.get("interface", ""),
        backlog=_number("backlog", values.get("backlog", str(BACKLOG)), 1 << 16),
    )


def _check_libraries() -> None:
    try:
        import OpenSSL  # noqa: F401 - it is only there with the extra
        import service_identity  # noqa: F401
    except ImportError as error:
        raise WrongEndpoint(f'https: needs the library {error.name}: pip install "cors-service[tls]"') from error


def _number(name: str, text: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > most:
        raise WrongEndpoint(f"{name} is not a number from 0 to {most}: {text!a}.")
    return int(text)


@contextmanager
def _collecting(wrong: list[str]) -> Iterator[None]:
    """Keep what is wrong with a file, so that the others are read as well."""
    try:
        yield
    except WrongEndpoint as error:
        wrong.append(str(error))


def _content(name: str, path: Path) -> bytes:
    try:
        return read_small_file(path, _LONGEST_FILE)
    except (OSError, ValueError) as error:
        raise WrongEndpoint(f"{name}={_shown(path)} can't be read: {why_unreadable(error)}.") from error


def _private_key(name: str, path: Path) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(_content(name, path), password=None)
    except WrongEndpoint:
        raise
    except Exception as error:
        raise WrongEndpoint(f"{name}={_shown(path)} is not a private key in PEM without a password.") from error


def _certificates(name: str, path: Path) -> list[Any]:
    from twisted.internet.ssl import Certificate

    found = _PEM.findall(_content(name, path))
    try:
        certificates = [Certificate.loadPEM(one) for one in found]
    except Exception as error:
        raise WrongEndpoint(f"{name}={_shown(path)} has a certificate that can't be read.") from error
    if not certificates:
        raise WrongEndpoint(f"{name}={_shown(path)} has no certificate in PEM.")
    return certificates


def _validity(name: str, path: Path | None, certificate: Any) -> Validity:
    assert path is not None, "the certificate was read from somewhere"
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Validity(f"{name}={_shown(path)}", begins, ends)


def _shown(path: Path) -> str:
    return ascii(str(path))[1:-1]
