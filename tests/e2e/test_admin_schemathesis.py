"""What schemathesis makes of the description of the admin API, sent to the process as it runs: both say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from importlib.resources import files
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.e2e.daemons import ANY_PORT, TWIST, Service, ask

# Only here: setup.cfg keeps it from all other tests.
pytest_plugins = ["schemathesis.pytest.plugin"]

FAULTS = ("Traceback", "Unhandled", "Can't answer")

CONFIG: dict[str, Any] = {
    "generation": {"deterministic": True, "max-examples": 20},
    "checks": {
        "negative_data_rejection": {
            "expected-statuses": ["400", "403", "404", "409", "412", "413", "415", "422", "428"]
        }
    },
}
EVERYWHERE = {"431": {"$ref": "#/components/responses/HeadTooLarge"}}
"""What the description says once, of every path, and not again of each operation: that is how schemathesis reads it."""
DESCRIPTION: Any = json.loads(files("cors_service.admin").joinpath("openapi.json").read_bytes())


def completed(description: Any) -> Any:
    """The description, with what it says of every path said of every operation."""
    description = deepcopy(description)
    for item in description["paths"].values():
        for method in item.keys() & {"get", "put", "post", "delete"}:
            item[method]["responses"] = EVERYWHERE | item[method]["responses"]
            item[method]["responses"].setdefault("404", {"$ref": "#/components/responses/NotFound"})
            item[method]["responses"].setdefault("413", {"$ref": "#/components/responses/BodyTooLarge"})
    return description


api = schemathesis.openapi.from_dict(completed(DESCRIPTION), config=SchemathesisConfig.from_dict(CONFIG))


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An admin process over a policy."""
    directory = tmp_path_factory.mktemp("schemathesis")
    (directory / "policies").mkdir()
    text = 'version = 1\n[policies.shop]\norigins = ["https://shop.example.com"]\n'
    (directory / "policies" / "shop.toml").write_text(text, encoding="ascii")
    options = ["--store", "policies", "--data", "data", "--listen", ANY_PORT]
    admin = Service([*TWIST[:-1], "cors-admin", *options], directory)
    try:
        yield admin
        admin.stop()
        assert [line for line in admin.out + admin.err if any(fault in line for fault in FAULTS)] == []
    finally:
        admin.kill()


def test_description(admin: Service) -> None:
    """What the process says of itself is what the test below goes by."""
    assert ask(admin.port, "/openapi.json").json == DESCRIPTION


@api.parametrize()
def test_answers_are_as_described(case: schemathesis.Case[Any], admin: Service) -> None:
    """Whatever is sent, valid by the description or not, is answered as it says: status, media type, headers, body."""
    response = case.call(base_url=f"http://127.0.0.1:{admin.port}")
    # Whether a change may be made depends on what is there, which no schema tells.
    case.validate_response(response, excluded_checks=[positive_data_acceptance])
