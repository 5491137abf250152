"""A web server over TLS, whose authority this process trusts, and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle.bundles import KeyPair, key_pair
from tests.bundle.served import Site, served
from tests.certificates import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Give an authority."""
    return Authority("bundles")


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have this process trust the authority; give the file."""
    path = tmp_path / "authority.pem"
    path.write_bytes(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


@pytest.fixture
def site() -> Site:
    """Give what the server gives out."""
    return Site()


@pytest.fixture
def url(site: Site, authority: Authority, trusted: Path, tmp_path: Path) -> Iterator[str]:
    """Give the URL of the server."""
    with served(site, authority, tmp_path) as here:
        yield here


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """Give a key."""
    return key_pair(tmp_path_factory.mktemp("keys"), "release.key")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """Give another key."""
    return key_pair(tmp_path_factory.mktemp("keys"), "other.key")
