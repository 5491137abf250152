"""Whatever a site answers, it is judged, and reported in a form that harms nobody."""

from __future__ import annotations

import json

import jsonschema_rs
from hypothesis import given
from hypothesis import strategies as st

from cors_service.browser import ENGINES, Behaviour, Request
from cors_service.doctor.codes import Code
from cors_service.doctor.exchanges import Answer
from cors_service.doctor.judging import diagnose
from cors_service.doctor.text import in_text
from cors_service.doctor.verdicts import is_readable
from cors_service.doctor.visit import MOST
from cors_service.doctor.written import SCHEMA, in_json
from tests.doctor.sites import PAGE, request, visited

VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)
NAMES = [
    "Access-Control-Allow-Origin",
    "access-control-allow-origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Vary",
    "Location",
    "WWW-Authenticate",
    "Server",
    "X-Powered-By",
    "Via",
    "Age",
    "X-Cache",
    "X-Varnish",
    "Cache-Control",
]
VALUES = [
    PAGE,
    "*",
    "null",
    "true",
    "True",
    "PUT, GET",
    "x-shop",
    "Origin",
    "/x",
    "https://a:b@c",
    "http://[",
    "HIT",
    "7",
]
VALUES += ["nginx", "Express", "no-store", "max-age=7", f"{PAGE}, {PAGE}", "\x1b[2J\x9b", "\xff" * 300, "", " \t"]
ANSWERS = st.builds(
    Answer,
    st.sampled_from([200, 204, 301, 302, 307, 401, 403, 404, 405, 429, 500, 503, 0, 999999]),
    st.sampled_from(["", "OK", "\x1b]0;x\x07"]),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=8).map(tuple),
)
REQUESTS = st.sampled_from(
    [
        request(),
        request(credentials=True),
        request("PUT", ("X-Shop", "7"), ("Authorization", "x")),
        request("DELETE", origin="null", credentials=True),
    ]
)


@given(REQUESTS, st.lists(st.none() | ANSWERS, min_size=MOST, max_size=MOST), st.sampled_from(ENGINES))
def test_any_site(page: Request, answers: list[Answer | None], engine: Behaviour) -> None:
    """There is a finding for each code at most, healthy stands alone, and the reports are printable and valid."""
    given_answers = iter(answers)
    exchanges = visited(page, lambda _: next(given_answers))
    assert len(exchanges) <= MOST
    diagnosis = diagnose(page, exchanges, engine=engine)
    codes = [finding.code for finding in diagnosis.findings]
    assert codes
    assert len(codes) == len(set(codes))
    assert Code.HEALTHY not in codes or codes == [Code.HEALTHY]
    assert diagnosis.readable == is_readable(exchanges, engine)
    # What blocks the page is a finding.
    assert diagnosis.readable is not False or codes != [Code.HEALTHY]
    assert all(line.isprintable() for line in in_text(diagnosis).split("\n"))
    written = in_json(diagnosis)
    assert written.isascii()
    VALIDATOR.validate(json.loads(written))
