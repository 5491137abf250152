"""The client reaches the service over a Unix socket, and over TLS with a certificate of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cors_service.client import ClientTLS, DecisionClient
from cors_service.decision import Decision, Query
from cors_service.stopped import UNDECIDED
from tests.answering import demanding, real
from tests.certificates import Authority

# What Twisted makes a context of, pyOpenSSL would rather have from cryptography.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

QUERY = Query("GET", "app", None, ("https://a.example",))


async def decided(place: str, times: int = 1, **options: Any) -> Decision:
    """Ask whatever is there so many times, and give the last decision."""
    asking = DecisionClient(place, timeout=20, **options)
    for _ in range(times):
        decision = await asking.decide(QUERY)
    await asking.close()
    return decision


async def test_unix_socket(tmp_path: Path) -> None:
    """A service on a socket in the file system answers as any other; the connection is used again."""
    path = tmp_path / "cors.sock"
    async with real(where=f"unix:{path}") as service:
        assert (await decided(f"unix:{path}", times=10)).allowed
        assert service.connections == 1
    gone = await decided(f"unix:{path}")
    assert gone.reason.code == UNDECIDED


@pytest.fixture(scope="module")
def authorities() -> tuple[Authority, Authority]:
    """Who signs for the service, and who for its clients."""
    return Authority("services"), Authority("clients")


async def test_client_certificate(authorities: tuple[Authority, Authority]) -> None:
    """A client that the service knows, and that knows the service, is answered, over one connection."""
    services, clients = authorities
    tls = ClientTLS(certificate=clients.sign("client").both, authority=services.certificate)
    async with demanding(*authorities) as service:
        assert (await decided(f"https://127.0.0.1:{service.port}", times=5, tls=tls)).allowed
        assert service.connections == 1


async def test_strangers_over_tls(authorities: tuple[Authority, Authority]) -> None:
    """Neither a client without a certificate, nor one of another authority, nor another service gets anything."""
    services, clients = authorities
    own = clients.sign("client").both
    async with demanding(*authorities) as service:
        for tls in (
            ClientTLS(authority=services.certificate),
            ClientTLS(certificate=services.sign("client").both, authority=services.certificate),
            ClientTLS(certificate=own, authority=clients.certificate),
            ClientTLS(certificate=own),
            None,
        ):
            decision = await decided(f"https://127.0.0.1:{service.port}", tls=tls)
            assert (decision.reason.code, decision.allowed) == (UNDECIDED, False)
        assert (await decided(f"http://127.0.0.1:{service.port}")).reason.code == UNDECIDED


def test_what_is_no_certificate() -> None:
    """It is said at once."""
    for options in ({"certificate": b"none"}, {"authority": b"none"}):
        with pytest.raises(ValueError, match="A certificate can't be read"):
            ClientTLS(**options)
