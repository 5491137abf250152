"""Tests of OPA's data API with a client that was written for OPA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service
from tests.e2e.requirements import need_module
from tests.web.test_opa import reported

DOCUMENT = """\
version = 1
[policies.catalogue]
match = ["api.example.com/catalogue/"]
origins = ["https://partner.example"]
methods = ["PUT"]
"""
PARTNER, STRANGER = "https://partner.example", "https://stranger.example"


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of OPA, connected with a service."""
    client_of = need_module("opa_client.opa").OpaClient
    directory = tmp_path_factory.mktemp("opa")
    (directory / "policies.toml").write_text(DOCUMENT, encoding="ascii")
    service = Service([*TWIST, "--policies", "policies.toml", "--listen", ANY_PORT], directory)
    try:
        with client_of(host="127.0.0.1", port=service.port) as client:
            yield client
    finally:
        service.kill()


@pytest.mark.parametrize(("origin", "allowed"), [(PARTNER, True), (STRANGER, False)])
def test_decision(opa: Any, origin: str, allowed: bool) -> None:
    """A rule `decision` in the package `cors` gives the decision for an input."""
    answer = opa.query_rule({"policy": "catalogue", "method": "PUT", "origin": origin}, "cors", "decision")
    assert answer["result"]["allowed"] is allowed
    assert (["Access-Control-Allow-Origin", origin] in answer["result"]["headers"]) is allowed
    assert answer["decision_id"]


@pytest.mark.parametrize("policy", ["cors.apisix.catalogue", "cors.apisix"])
@pytest.mark.parametrize(("origin", "status"), [(PARTNER, 204), (STRANGER, 403)])
def test_as_the_plugin_of_apisix_asks(opa: Any, policy: str, origin: str, status: int) -> None:
    """What the plugin reports of a preflight gives what it answers, by the name of a policy and by the URL."""
    asked = reported("OPTIONS", {"origin": origin, "access-control-request-method": "PUT"})["input"]
    result = opa.query_rule(asked, policy)["result"]
    assert (result["allow"], result["status_code"]) == (False, status)
    assert (result["headers"].get("Access-Control-Allow-Origin") == origin) is (status == 204)


def test_as_the_plugin_of_apisix_asks_about_a_request(opa: Any) -> None:
    """What is not a preflight goes on to the application."""
    assert opa.query_rule(reported("PUT", {"origin": PARTNER})["input"], "cors.apisix.catalogue")["result"]["allow"]
