"""What schemathesis makes of the description of the API, sent to the service as it runs: both say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from importlib.resources import files
from typing import Any

import pytest
import schemathesis
from schemathesis.checks import CheckFunction
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    positive_data_acceptance,
    unsupported_method,
)

from tests.e2e.daemons import ANY_PORT, TWIST, Service, ask

# Only here: setup.cfg keeps it from all other tests.
pytest_plugins = ["schemathesis.pytest.plugin"]

FAULTS = ("Traceback", "Unhandled", "Can't answer")

CONFIG: dict[str, Any] = {
    "generation": {"deterministic": True, "max-examples": 100},
    # Alike as they are, there are many of these.
    "operations": [{"include-tag": "proxies", "generation": {"deterministic": True, "max-examples": 20}}],
    # To be too large is one more reason to be refused.
    "checks": {"negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "415", "431"]}},
}

EVERYWHERE = {"431": {"$ref": "#/components/responses/HeadTooLarge"}}
"""What the description says once, of every path, and not again of each operation: that is how schemathesis reads it."""


DESCRIPTION: Any = json.loads(files("cors_service.web").joinpath("openapi.json").read_bytes())


def completed(description: Any) -> Any:
    """The description, with what it says of every path said of every operation."""
    description = deepcopy(description)
    for item in description["paths"].values():
        for method in item.keys() & {"get", "options", "post"}:
            item[method]["responses"] |= EVERYWHERE
    return description


api = schemathesis.openapi.from_dict(completed(DESCRIPTION), config=SchemathesisConfig.from_dict(CONFIG))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that decides by the policies that the examples of the description are about."""
    directory = tmp_path_factory.mktemp("schemathesis")
    answer = DESCRIPTION["paths"]["/v1/policies"]["get"]["responses"]["200"]
    policies = answer["content"]["application/json"]["examples"]["all"]["value"]
    (directory / "policies.json").write_text(json.dumps(policies), encoding="ascii")
    service = Service([*TWIST, "--policies", "policies.json", "--listen", ANY_PORT], directory)
    try:
        yield service
        service.stop()
        assert [line for line in service.out + service.err if any(fault in line for fault in FAULTS)] == []
    finally:
        service.kill()


def test_description(service: Service) -> None:
    """What the service says of itself is what the test below goes by."""
    assert ask(service.port, "/openapi.json").json == DESCRIPTION


@api.parametrize()
def test_answers_are_as_described(case: schemathesis.Case[Any], service: Service) -> None:
    """Whatever is sent, valid by the description or not, is answered as it says: the status, the media type, the
    headers, the body, what is accepted and what is refused. All checks that schemathesis has by default are on.
    """
    response = case.call(base_url=f"http://127.0.0.1:{service.port}")
    case.validate_response(response, excluded_checks=[*excluded_checks(case, response)])


def excluded_checks(case: schemathesis.Case[Any], response: schemathesis.Response) -> Iterator[CheckFunction]:
    """The checks of what the description has words for, but OpenAPI 3.1 no schema."""
    if is_beyond_description(case, response):
        yield positive_data_acceptance
    if "x-any-method" in DESCRIPTION["paths"][case.operation.path]:
        yield unsupported_method


def is_beyond_description(case: schemathesis.Case[Any], response: schemathesis.Response) -> bool:
    """Whether what looks like a valid query is refused for a reason that a schema can't tell."""
    if response.status_code == 405:
        # Origin and the method asked for are not required: without them the answer is this error and no other.
        return bool(case.method == "OPTIONS" and response.json()["code"] == "not-a-preflight")
    if response.status_code != 400 or not case.operation.label.endswith(("decision", "evaluation", "evaluations")):
        return False
    problem = response.json()
    return (
        # Of two parameters one is needed; it knows only those that are, and those that are not.
        (case.method, problem["code"]) == ("GET", "no-selector")
        # Two values must not differ; JSON Schema compares none.
        or problem["detail"] == "The field origin contradicts the Origin in headers."
        # A path must be read in one way only, a name is of so many characters at most; a pattern can't tell.
        or problem["code"] in {"url-malformed", "url-ambiguous"}
    )
