"""Open Policy Agent, the server that programs would ask instead of us, with a policy in Rego that decides the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from benchmarks.foreign import BUILT, HERE, run

SOURCES: Final = HERE / "peers" / "opa"
PATH: Final = "/v1/data/cors/decision"
"""Where both servers are asked the same: ours speaks the dialect of OPA's data API."""


def build() -> Path:
    """Build the program out of its module; give its path.

    Raises:
        Missing: There is no Go, or no module proxy.
    """
    program = BUILT / "opa"
    program.parent.mkdir(parents=True, exist_ok=True)
    run(["go", "build", "-trimpath", "-o", str(program), "."], SOURCES)
    return program


def command(program: Path, policies: dict[str, Any], directory: Path) -> list[str]:
    """The command of its server, which asks nobody else for anything.

    Args:
        program: What was built.
        policies: A document of ours, of rules that list origins and wildcards of https.
        directory: For its data.
    """
    data = directory / "opa.json"
    data.write_text(json.dumps({"policies": {name: _tables(policy) for name, policy in policies["policies"].items()}}))
    quiet = ["--disable-telemetry", "--log-level=error"]
    return [
        *(str(program), "run", "--server", "--addr=127.0.0.1:{port}", *quiet),
        *(str(SOURCES / "cors.rego"), str(data)),
    ]


def same(ours: Any, theirs: Any) -> bool:
    """Whether two decisions say the same to a machine; Rego's has no sentences, numbers of rules or revisions."""
    told = {name: ours[name] for name in ("kind", "allowed", "status", "headers", "policy")}
    return bool({**told, "reason": {"code": ours["reason"]["code"]}} == theirs)


def _tables(policy: dict[str, Any]) -> dict[str, Any]:
    """The one rule of a policy in the form that its Rego looks things up in."""
    [rule] = policy["rules"]
    wildcards = [origin for origin in rule["origins"] if "//*." in origin]
    # As we do, it grants HEAD with GET.
    methods = sorted({*rule["methods"], *(["HEAD"] if "GET" in rule["methods"] else [])})
    return {
        "exact": dict.fromkeys(set(rule["origins"]) - set(wildcards), True),
        "suffixes": [wildcard.removeprefix("https://*") for wildcard in wildcards],
        "methods": dict.fromkeys(methods, True),
        "methods_line": ", ".join(methods),
        "names": dict.fromkeys(rule["request_headers"], True),
        "names_line": ", ".join(sorted(rule["request_headers"])),
        "expose_line": ", ".join(rule["expose_headers"]),
        "max_age": str(rule["max_age"]),
    }
