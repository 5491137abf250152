"""The answer to a query: allowed or not, why, and the exact headers."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Kind = Literal["preflight", "actual", "same-origin", "no-origin"]
GuardMode = Literal["enforce", "report"]
Headers = tuple[tuple[str, str], ...]

REASONS: Final = frozenset(
    {
        "allowed",
        "no-origin",
        "same-origin",
        # this origin has no access at all
        "multiple-origins",
        "origin-malformed",
        "origin-not-allowed",
        "origin-needs-url",
        "origin-refused",
        # this origin may not do this
        "method-malformed",
        "method-not-allowed",
        "header-malformed",
        "header-not-allowed",
        "too-many-headers",
    }
)
"""The closed set of reason codes."""

PASSES: Final = frozenset({"allowed", "same-origin", "own-page", "user-initiated", "navigation", "no-origin"})
"""The codes of requests that a guard lets pass."""
REFUSALS: Final = (REASONS - PASSES) | {"host-not-allowed", "cross-site", "origin-missing", "fetch-metadata-malformed"}
"""The codes of requests that a guard refuses: its own, and those of a refused Origin."""


class Reason(Struct, frozen=True, gc=False, omit_defaults=True):
    """The reason for a decision.

    Attributes:
        code: One of REASONS.
        message: A sentence that names the rule and the offending value; not part of the API.
        hint: What to write instead, where a person asks (`ActivePolicies.advise`); not part of the API.
    """

    code: str
    message: str
    hint: str = ""

    @property
    def is_about_origin(self) -> bool:
        """Whether the origin has no access at all, rather than no access to this."""
        return self.code in _ABOUT_ORIGIN


class GuardVerdict(Struct, frozen=True, gc=False, rename={"passes": "pass"}):
    """What the guard of a policy says of a request.

    Attributes:
        passes: Whether the service should take it.
        mode: `report` if it is to be taken all the same.
        reason: The reason; its code is one of PASSES or of REFUSALS.
    """

    passes: bool
    mode: GuardMode
    reason: Reason

    @property
    def stops(self) -> bool:
        """Whether the request must not reach the service."""
        return not self.passes and self.mode != "report"

    @property
    def would_stop(self) -> bool:
        """Whether it does not, but only since the guard reports."""
        return not self.passes and self.mode == "report"


class Decision(Struct, frozen=True, gc=False):
    """The answer to a query.

    Attributes:
        kind: What the request was.
        allowed: Whether the page may send this request and read the answer; None where no page is involved.
        status: The status for a preflight; None where the service answers as usual.
        reason: The reason.
        headers: The exact headers to emit, in order, as names and values.
        policy: The name of the policy that decided.
        rule: The number of the rule that decided, from 1; None if no rule covers the origin or none was needed.
        revision: The revision of the policy set that decided.
        guard: What the guard of the policy says; None where it has none, or one that is not about this request.
    """

    kind: Kind
    allowed: bool | None
    status: int | None
    reason: Reason
    headers: Headers
    policy: str
    rule: int | None
    revision: str
    guard: GuardVerdict | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the guard keeps the request from the service."""
        return self.guard is not None and self.guard.stops


_ABOUT_ORIGIN: Final = frozenset(
    {"multiple-origins", "origin-malformed", "origin-not-allowed", "origin-needs-url", "origin-refused"}
)
