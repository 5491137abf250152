"""Short ways to write suites, and to run them."""

from __future__ import annotations

import pytest

from cors_service.decision import ActivePolicies
from cors_service.policy import Source, read_sources
from cors_service.suites.cases import Suite
from cors_service.suites.mistakes import InvalidSuite, SuiteError
from cors_service.suites.reading import SuiteDraft
from cors_service.suites.running import Failure, Run, run

POLICIES = """
version = 1

[header_sets]
tracing = ["traceparent"]

[policies.open]
match = ["api.example.com/open/"]
origins = ["*"]
methods = ["GET"]
expose_headers = ["x-page"]
timing = true

[policies.app]
match = ["app.example.com/api/"]

[[policies.app.rules]]
origins = ["https://evil.app.example.com"]
refuse = true

[[policies.app.rules]]
origins = ["https://admin.example.com", "https://*.app.example.com"]
methods = ["GET", "PUT"]
request_headers = ["content-type", "@tracing"]
expose_headers = ["etag"]
credentials = true
"""
ACTIVE = ActivePolicies(read_sources([Source("policies.toml", "toml", POLICIES)]))


def suite(cases: str) -> Suite:
    """Read a suite of these cases."""
    return SuiteDraft("a.test.toml", f"version = 1\n{cases}").with_policies(ACTIVE)


def outcome(case: str) -> Run:
    """Run a suite of this one case."""
    return run(suite(f"[[cases]]\n{case}"), ACTIVE)


def failures(case: str) -> tuple[Failure, ...]:
    """Run a suite of this one case, and give what failed."""
    return outcome(case).outcomes[0].failures


def mistakes(text: str, active: ActivePolicies | None = ACTIVE) -> list[SuiteError]:
    """Give what is wrong with a suite."""
    with pytest.raises(InvalidSuite) as caught:
        SuiteDraft("a.test.toml", text).with_policies(active)
    return [error for error in caught.value.exceptions if isinstance(error, SuiteError)]
