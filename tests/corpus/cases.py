"""The cases of the corpus, and how decisions about them are judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cors_service.browser import Request, cors_check, preflight_check
from cors_service.browser.request import unsafe_request_header_names

Case = dict[str, Any]

_ALL: list[Case] = json.loads(Path(__file__).with_name("cases.json").read_text(encoding="utf-8"))
REFUSED: dict[str, Case] = {f"{case['id']} {case['class']}": case for case in _ALL if "load" in case["expect"]}
"""Policies that no document may have."""
DECIDED: dict[str, Case] = {f"{case['id']} {case['class']}": case for case in _ALL if "load" not in case["expect"]}
"""Policies, requests, and what must be decided about them."""

_EXACT = {"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Max-Age"}
_ORIGIN, _METHOD, _HEADERS = "origin", "access-control-request-method", "access-control-request-headers"


def document(case: Case) -> dict[str, Any]:
    """A document with the policy of a case, called `case`."""
    return {"version": 1, "policies": {"case": case["policy"]}}


def query(case: Case) -> dict[str, Any]:
    """The body of `POST /v1/decision` that asks about a case."""
    return {"policy": "case", **case["request"]}


def form(case: Case) -> dict[str, str | list[str]] | None:
    """The parameters of `GET /v1/decision` that ask about a case; None if a form can't say what it says."""
    origins, methods, headers = (_lines(case, name) for name in (_ORIGIN, _METHOD, _HEADERS))
    lines = [*origins, *methods, *headers]
    # Repeated and empty lines have no form, and what is long finds no room in a URL.
    if len(origins) > 1 or len(methods) > 1 or not all(lines) or sum(map(len, lines)) > 4096:
        return None
    parameters: dict[str, str | list[str]] = {"policy": "case", "method": case["request"]["method"]}
    return parameters | {
        name: values
        for name, values in (("origin", origins), ("request_method", methods), ("request_headers", headers))
        if values
    }


def judge(case: Case, decision: Any) -> None:
    """Fail unless a decision, as JSON has it, is the one that a case demands."""
    expected, told = case["expect"], dict(decision["headers"])
    assert expected["allowed"] == decision["allowed"]
    assert len(told) == len(decision["headers"])
    assert expected["headers"] == {name: value for name, value in told.items() if name in _EXACT}
    assert expected["vary_origin"] == ("Origin" in told.get("Vary", "").split(", "))
    if not expected["allowed"]:
        granted = {name for name in told if name.startswith("Access-Control-")}
        assert granted == expected["headers"].keys()
    if expected["allowed"] is not None:
        _judge_as_browser(case, decision)


def _judge_as_browser(case: Case, decision: Any) -> None:
    """Fail unless a browser with a page that sends this request agrees."""
    origins, methods = _lines(case, _ORIGIN), _lines(case, _METHOD)
    asks = case["request"]["method"] == "OPTIONS" and len(methods) == 1
    # Values longer than any that goes without a preflight, so that a browser asks for each of the names.
    names = {name.strip(" \t").lower() for line in _lines(case, _HEADERS) for name in line.split(",")} - {""}
    try:
        page = Request(
            origin=origins[0],
            url="https://api.example.com/",
            method=methods[0] if asks else case["request"]["method"],
            headers=tuple((name, "a" * 129) for name in sorted(names)) if asks else (),
            credentials=case["policy"].get("credentials", False),
        )
    except ValueError:  # no page can make this request
        assert not decision["allowed"]
        return
    if asks:
        if decision["allowed"]:
            assert names == set(unsafe_request_header_names(page.headers))
        verdict = preflight_check(page, decision["status"], decision["headers"])
    else:
        verdict = cors_check(page, decision["headers"])
    assert verdict.allowed == decision["allowed"], verdict


def _lines(case: Case, name: str) -> list[str]:
    return [value for line, value in case["request"]["headers"] if line.lower() == name]
