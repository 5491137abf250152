"""Pages embed and measure what the decided Cross-Origin-Resource-Policy and Timing-Allow-Origin let them."""

from __future__ import annotations

import pytest

from cors_service.browser import cors_check
from cors_service.browser.request import actual_headers
from cors_service.browser.sharing import corp_check, tao_check

from .cases import SITE, Case, Table
from .prediction import Service, origin_of, request_of
from .setting import Application
from .webdriver import Chromium

HOSTS = ("app.corp.localhost", "admin.corp.localhost", "api.corp.localhost", "localhost", "evil.localhost")
POLICIES = ("session", "public-wide", "embedded", "measured", "exact", "public")
EMBEDS = "embeds(arguments[0]).then(arguments[1])"
MEASURES = "measures(arguments[0]).then(arguments[1])"
MEASURES_IMAGE = "measuresImage(arguments[0]).then(arguments[1])"


@pytest.fixture
def cases(application: Application) -> dict[tuple[str, str], Case]:
    """For each page and policy a request."""
    table = Table(application.ports, "embedding")
    for host in HOSTS:
        for policy in POLICIES:
            table.add("embedding", policy, table.at(host))
    places = [(host, policy) for host in HOSTS for policy in POLICIES]
    return dict(zip(places, table.cases, strict=True))


@pytest.mark.parametrize("host", HOSTS)
def test_pages_embed_what_the_decision_lets_them(
    host: str, cases: dict[tuple[str, str], Case], chromium: Chromium, service: Service
) -> None:
    """The answer to a request without Origin is of use to the pages that the model names."""
    expected, actual = {}, {}
    for policy in POLICIES:
        case = cases[host, policy]
        url = f"{case.urls[0]}&embedded"
        headers = service.decide(url, "GET", [])["headers"]
        expected[policy] = corp_check(case.page, origin_of(url), headers, same_site=host.endswith(f".{SITE}"))
        chromium.open(f"{case.page}/_page")
        actual[policy] = chromium.run(EMBEDS, url)
    assert expected == actual


@pytest.mark.parametrize("host", HOSTS)
def test_pages_measure_what_the_decision_lets_them(
    host: str, cases: dict[tuple[str, str], Case], chromium: Chromium, service: Service
) -> None:
    """The timing of an answer that a page reads is visible where the model says so."""
    expected, actual = {}, {}
    for policy in POLICIES:
        case = cases[host, policy]
        request = request_of(case)
        headers = service.decide(request.url, "GET", actual_headers(request))["headers"]
        reads = request.same_origin or cors_check(request, headers).allowed
        expected[policy] = tao_check(request, headers) if reads else None
        chromium.open(f"{case.page}/_page")
        actual[policy] = chromium.run(MEASURES, request.url)
    assert expected == actual


@pytest.mark.parametrize("host", HOSTS)
def test_pages_measure_images_where_all_who_may_are_listed(
    host: str, cases: dict[tuple[str, str], Case], chromium: Chromium, service: Service
) -> None:
    """The timing of an image, which is asked for without an Origin, is visible to the origins that a list names."""
    expected, actual = {}, {}
    for policy in POLICIES:
        case = cases[host, policy]
        url = f"{case.urls[0]}&image=gif"
        headers = service.decide(url, "GET", [])["headers"]
        shown = corp_check(case.page, origin_of(url), headers, same_site=host.endswith(f".{SITE}"))
        expected[policy] = tao_check(request_of(case), headers) if shown else None
        chromium.open(f"{case.page}/_page")
        actual[policy] = chromium.run(MEASURES_IMAGE, url)
    assert expected == actual
    assert actual["measured"] == (host in {"app.corp.localhost", "localhost", "api.corp.localhost"})
