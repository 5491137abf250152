"""What is wrong is judged from recorded exchanges, each defect by its code."""

from __future__ import annotations

import pytest

from cors_service.decision import ActivePolicies, Query
from cors_service.doctor.codes import Code
from cors_service.doctor.exchanges import Answer, Question, Role
from cors_service.doctor.judging import diagnose
from cors_service.doctor.near_misses import stranger
from cors_service.doctor.verdicts import of_page
from cors_service.policy import read_document
from tests.doctor.sites import (
    PAGE,
    URL,
    Headers,
    Site,
    answer,
    diagnosed,
    granted,
    judging,
    listing,
    request,
    saying,
    visited,
)

STRANGER = stranger(PAGE)
GET = request()
PUT = request("PUT")
SHOP = request("GET", ("X-Shop", "7"))
TOKEN = request("GET", ("Authorization", "Bearer x"))
COOKIES = request(credentials=True)
WITH_COOKIES = {"Access-Control-Allow-Credentials": "true"}
ACAO, ACAH, ACAM = (f"Access-Control-Allow-{what}" for what in ("Origin", "Headers", "Methods"))
AGAIN = ("Access-Control-Allow-Origin", PAGE)


def refusing_preflights(status: int, *lines: tuple[str, str]) -> Site:
    """A good site, but for what it says to preflights."""
    good = listing(PAGE)
    return lambda question: answer(status, None, *lines) if question.method == "OPTIONS" else good(question)


def cached(site: Site, *, heeds_vary: bool = False) -> Site:
    """A cache in front of a site, which some have asked without an Origin, or nobody."""
    kept: dict[str, Answer | None] = {}

    def respond(question: Question) -> Answer | None:
        if question.method == "OPTIONS":
            return site(question)
        key = f"{question.url} {question.origin if heeds_vary else ''}"
        if key not in kept:
            kept[key] = site(question)
        return kept[key]

    return respond


def without(name: str, site: Site) -> Site:
    """A site that leaves a header out."""

    def respond(question: Question) -> Answer | None:
        found = site(question)
        lines = [] if found is None else [line for line in found.lines if line[0] != name]
        return None if found is None else answer(found.status, None, *((n, v.strip()) for n, v in lines))

    return respond


def never_kept(site: Site) -> Site:
    """A site that lets no cache keep its answers."""

    def respond(question: Question) -> Answer | None:
        found = site(question)
        return found and answer(
            found.status, None, *((n, v.strip()) for n, v in found.lines), ("Cache-Control", "no-store")
        )

    return respond


def only_success(site: Site) -> Site:
    """A site with no headers on errors."""

    def respond(question: Question) -> Answer | None:
        return answer(404) if question.role is Role.ERROR else site(question)

    return respond


def only_preflights(site: Site, status: int = 200) -> Site:
    """A site that answers preflights, and gives no headers to what follows."""
    return lambda question: site(question) if question.method == "OPTIONS" else answer(status)


def for_all_without_origin(question: Question) -> Answer:
    """A site that says `*` where no page asks."""
    return answer(200, {ACAO: question.origin or "*"})


def for_all_and_null(question: Question) -> Answer:
    """A site that says `*`, but for null."""
    return answer(200, {ACAO: "null" if question.origin == "null" else "*", "Vary": "Origin"})


def strict(site: Site) -> Site:
    """A site that does not find what has a parameter that it does not know."""
    return lambda question: answer(404) if "?" in question.url else site(question)


def revealing(site: Site) -> Site:
    """A site that names its methods to those that it refuses, too."""
    refusal = answer(204, {ACAM: "PUT", "Vary": "Origin"})
    return lambda question: site(question) if question.origin == PAGE else refusal


def lacking_on_refusals(more: dict[str, str]) -> Site:
    """A site whose answers for others lack Vary."""
    return lambda question: answer(200, more) if question.origin in {None, STRANGER} else listing(PAGE)(question)


def limited(site: Site, *, after: int, status: int | None = 429, lines: Headers | None = None) -> Site:
    """A site that answers some requests, and all others by a status, or not at all."""
    left = iter(range(after))

    def respond(question: Question) -> Answer | None:
        if next(left, None) is not None:
            return site(question)
        return None if status is None else answer(status, lines)

    return respond


NO_VARY = without("Vary", listing(PAGE))
DEFECTS = {
    "nothing at all": (GET, saying({}), {Code.ACAO_MISSING}, False),
    "nothing on the answer": (PUT, only_preflights(listing(PAGE)), {Code.ACAO_MISSING}, False),
    "refused by the list": (PUT, refusing_preflights(403), {Code.ACAO_MISSING}, False),
    "two lines": (GET, saying({"Vary": "Origin"}, AGAIN, AGAIN), {Code.ACAO_REPEATED}, False),
    "two origins": (GET, saying({ACAO: f"{PAGE}, https://b.example"}), {Code.ACAO_LIST}, False),
    "two origins with a space": (GET, saying({ACAO: f"{PAGE} null"}), {Code.ACAO_LIST}, False),
    "another origin": (GET, saying({ACAO: "https://b.example"}), {Code.ACAO_OTHER}, False),
    "null for all": (GET, saying({ACAO: "null"}), {Code.ACAO_OTHER, Code.NULL_ALLOWED}, False),
    "a slash": (GET, saying({ACAO: f"{PAGE}/"}), {Code.ACAO_NOT_SERIALISED}, False),
    "the default port": (GET, saying({ACAO: f"{PAGE}:443"}), {Code.ACAO_NOT_SERIALISED}, False),
    "a wildcard within": (GET, saying({ACAO: "https://*.e.com"}), {Code.ACAO_NOT_SERIALISED}, False),
    "nothing in it": (GET, saying({ACAO: ""}), {Code.ACAO_NOT_SERIALISED}, False),
    "any, and cookies": (GET, saying({ACAO: "*", **WITH_COOKIES}), {Code.ANY_ORIGIN_WITH_CREDENTIALS}, True),
    "any, for cookies": (COOKIES, saying({ACAO: "*"}), {Code.ANY_ORIGIN_WITH_CREDENTIALS}, False),
    "whoever asks": (GET, judging(lambda _: True, WITH_COOKIES), {Code.ORIGIN_REFLECTED}, True),
    "an end": (GET, judging(lambda origin: origin.endswith("example.com")), {Code.NEAR_MISS_ALLOWED}, True),
    "a beginning": (PUT, judging(lambda origin: origin.startswith(PAGE)), {Code.NEAR_MISS_ALLOWED}, True),
    "any scheme": (GET, judging(lambda origin: origin.endswith("://app.example.com")), {Code.NEAR_MISS_ALLOWED}, True),
    "null": (GET, listing(PAGE, "null"), {Code.NULL_ALLOWED}, True),
    "True": (GET, listing(PAGE, more={"Access-Control-Allow-Credentials": "True"}), {Code.ACAC_NOT_TRUE}, True),
    "one": (GET, listing(PAGE, more={"Access-Control-Allow-Credentials": "1"}), {Code.ACAC_NOT_TRUE}, True),
    "no cookies": (COOKIES, listing(PAGE), {Code.ACAC_NOT_TRUE}, False),
    "no Vary": (GET, NO_VARY, {Code.VARY_MISSING}, True),
    "a kept refusal without Vary": (GET, lacking_on_refusals({"Cache-Control": "public"}), {Code.VARY_MISSING}, True),
    "a refusal behind a cache": (GET, lacking_on_refusals({"X-Cache": "MISS"}), {Code.VARY_MISSING}, True),
    "a refusal that nobody keeps": (GET, lacking_on_refusals({}), {Code.HEALTHY}, True),
    "kept for all, without Vary": (GET, cached(without("Vary", for_all_without_origin)), {Code.VARY_MISSING}, True),
    "a kept answer for all": (
        GET,
        lacking_on_refusals({"Cache-Control": "max-age=60", "Access-Control-Allow-Origin": "*"}),
        {Code.HEALTHY},
        True,
    ),
    "a cache without Vary": (GET, cached(NO_VARY), {Code.VARY_MISSING, Code.CACHE_MIXES_ORIGINS}, True),
    "a cache that is deaf to Vary": (GET, cached(listing(PAGE)), {Code.CACHE_MIXES_ORIGINS}, True),
    "405": (PUT, refusing_preflights(405), {Code.PREFLIGHT_STATUS}, False),
    "a redirect": (PUT, refusing_preflights(301, AGAIN, ("Location", "/login")), {Code.PREFLIGHT_REDIRECT}, False),
    "a login": (PUT, refusing_preflights(401, ("WWW-Authenticate", "Basic")), {Code.PREFLIGHT_AUTHENTICATED}, False),
    "a proxy's login": (PUT, refusing_preflights(407), {Code.PREFLIGHT_AUTHENTICATED}, False),
    "another method": (request("PATCH"), listing(PAGE), {Code.METHOD_MISSING}, False),
    "a small method": (PUT, listing(PAGE, more={ACAM: "put"}), {Code.METHOD_MISSING}, False),
    "any method, and cookies": (
        PUT,
        listing(PAGE, more={ACAM: "*", **WITH_COOKIES}),
        {Code.METHOD_MISSING},
        True,
    ),
    "another header": (SHOP, listing(PAGE, more={ACAH: "x"}), {Code.HEADER_MISSING}, False),
    "semicolons": (SHOP, listing(PAGE, more={ACAH: "x; y"}), {Code.LIST_MALFORMED}, False),
    "brackets": (GET, listing(PAGE, more={"Access-Control-Expose-Headers": "[x]"}), {Code.LIST_MALFORMED}, True),
    "a token by *": (TOKEN, listing(PAGE, more={ACAH: "*"}), {Code.AUTHORIZATION_BY_WILDCARD}, True),
    "no token": (TOKEN, listing(PAGE, more={ACAH: "x"}), {Code.HEADER_MISSING}, False),
    "ten minutes": (PUT, listing(PAGE, more={"Access-Control-Max-Age": "10m"}), {Code.MAX_AGE_MALFORMED}, True),
    "two ages": (
        PUT,
        saying(granted(PAGE), ("Access-Control-Max-Age", "1"), ("Access-Control-Max-Age", "1")),
        {Code.MAX_AGE_MALFORMED},
        True,
    ),
    "a negative age": (PUT, listing(PAGE, more={"Access-Control-Max-Age": "-1"}), {Code.MAX_AGE_MALFORMED}, True),
    "errors without": (GET, only_success(listing(PAGE)), {Code.ERROR_WITHOUT_HEADERS}, True),
    "no GET": (PUT, only_preflights(listing(PAGE), 405), {Code.ERROR_WITHOUT_HEADERS}, True),
    "nothing but an error": (GET, lambda _: answer(401), {Code.ERROR_WITHOUT_HEADERS}, False),
    "names for strangers": (
        PUT,
        revealing(listing(PAGE)),
        {Code.HEADERS_ON_REFUSAL},
        True,
    ),
    "nobody": (GET, lambda _: None, {Code.UNREACHABLE}, False),
    "a limit": (GET, limited(listing(PAGE), after=3), {Code.UNANSWERED}, True),
    "a limit behind a preflight": (PUT, limited(listing(PAGE), after=4, status=503), {Code.UNANSWERED}, True),
    "no answers to others": (GET, limited(listing(PAGE), after=2, status=None), {Code.UNANSWERED}, True),
    "a broken gateway": (GET, limited(listing(PAGE), after=5, status=502), {Code.UNANSWERED}, True),
    "a limit with headers": (GET, limited(listing(PAGE), after=0, lines=granted(PAGE)), {Code.UNANSWERED}, True),
    "a limit without": (
        GET,
        limited(listing(PAGE), after=0),
        {Code.ERROR_WITHOUT_HEADERS, Code.UNANSWERED},
        False,
    ),
    "a limit on a careless site": (
        GET,
        limited(judging(lambda origin: origin.endswith("example.com")), after=8),
        {Code.NEAR_MISS_ALLOWED, Code.UNANSWERED},
        True,
    ),
    "no unknown parameters": (GET, strict(listing(PAGE)), {Code.HEALTHY}, True),
    "everything for all, and null": (GET, for_all_and_null, {Code.HEALTHY}, True),
    "everything for all": (GET, saying({ACAO: "*"}), {Code.HEALTHY}, True),
    "one origin for all": (GET, saying({ACAO: PAGE}), {Code.HEALTHY}, True),
    "whoever asks, without cookies": (GET, judging(lambda _: True), {Code.HEALTHY}, True),
    "no errors": (PUT, listing(PAGE, missing=200), {Code.HEALTHY}, True),
    "a list": (GET, listing(PAGE, "https://b.example"), {Code.HEALTHY}, True),
    "a list, and cookies": (COOKIES, listing(PAGE, more=WITH_COOKIES), {Code.HEALTHY}, True),
    "false": (GET, listing(PAGE, more={"Access-Control-Allow-Credentials": "false"}), {Code.HEALTHY}, True),
    "a preflight": (PUT, listing(PAGE, more={"Access-Control-Max-Age": "600", **WITH_COOKIES}), {Code.HEALTHY}, True),
    "a cache that heeds Vary": (GET, cached(listing(PAGE), heeds_vary=True), {Code.HEALTHY}, True),
    "nothing is kept": (GET, without("Vary", never_kept(listing(PAGE))), {Code.HEALTHY}, True),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFECTS)
def test_defects(name: str) -> None:
    """Each defect is found by its code and no other, and the verdict on the page is that of the model of Chromium."""
    page, site, codes, readable = DEFECTS[name]
    diagnosis = diagnosed(page, site)
    assert (codes, readable) == ({each.code for each in diagnosis.findings}, diagnosis.readable)


def test_each_code_can_be_found() -> None:
    """The closed set has no code that nothing leads to."""
    assert set(Code) == {code for _, _, codes, _ in DEFECTS.values() for code in codes}


def test_poisoned_cache() -> None:
    """If a cache kept what was made for others, that is what is found, and not that the page is not allowed."""
    site = cached(NO_VARY)
    site(Question(Role.FRESH_NO_ORIGIN, GET, "GET", URL, ()))
    diagnosis = diagnosed(GET, site)
    assert {Code.VARY_MISSING, Code.CACHE_MIXES_ORIGINS} == {finding.code for finding in diagnosis.findings}
    assert not diagnosis.readable


def test_evidence() -> None:
    """The evidence is the very lines, of a repeated header too, and the sentence is the browser's."""
    site = saying({"Server": "nginx/1.26", "Vary": "Origin", "X-Other": "1"}, AGAIN, AGAIN)
    [finding] = diagnosed(GET, site).findings
    assert finding.evidence == (
        f"> GET {URL}",
        f"> Origin: {PAGE}",
        "< 200",
        "< Server: nginx/1.26",
        "< Vary: Origin",
        f"< Access-Control-Allow-Origin: {PAGE}",
        f"< Access-Control-Allow-Origin: {PAGE}",
    )
    assert "contains multiple values" in finding.sentence
    assert "proxy_hide_header" in finding.mend


def test_layer_at_fault() -> None:
    """What answers in the place of the application is named."""
    app = listing(PAGE, more={"Server": "nginx", "X-Powered-By": "Express"})

    def site(question: Question) -> Answer | None:
        return answer(502, {"Server": "nginx"}) if question.role is Role.ERROR else app(question)

    [finding] = diagnosed(GET, site).findings
    assert finding.code == Code.ERROR_WITHOUT_HEADERS
    assert finding.mend.startswith("nginx answered this by itself: what shows Express in other answers is missing.")
    [finding] = diagnosed(PUT, refusing_preflights(401, ("WWW-Authenticate", "Bearer"))).findings
    assert finding.mend.startswith("Something asks for a login (Bearer), before CORS.")


def test_unanswered() -> None:
    """What was not answered as usual is counted, and shows how it was answered and by whom, or why it was not."""
    app = listing(PAGE, more={"Server": "nginx", "X-Powered-By": "Express"})
    [finding] = diagnosed(GET, limited(app, after=3, lines={"Server": "nginx", "Retry-After": "30"})).findings
    assert finding.mend.startswith("11 of 14 requests got 429: what other origins get is not known. nginx answered ")
    assert finding.evidence.count("< 429") == 3
    assert finding.evidence[-1] == "and 8 more"
    assert finding.sentence == ""
    [finding] = diagnosed(GET, limited(app, after=3, status=None)).findings
    assert finding.mend.startswith("11 of 14 requests got no answer: what other origins get is not known. Ask again")
    assert finding.sentence == "It closes the connection."


def test_one_unanswered() -> None:
    """If nothing about others is missing, nothing is said of them."""
    good = listing(PAGE)
    [finding] = diagnosed(GET, lambda question: None if question.role is Role.ERROR else good(question)).findings
    assert finding.code is Code.UNANSWERED
    assert finding.mend.startswith("1 of 14 requests got no answer: what it usually answers there is not known. Ask ")


def test_unknown_server() -> None:
    """A server that is not known is named as it names itself."""
    [finding] = diagnosed(GET, saying({"Server": "cloudflare"})).findings
    assert finding.mend.startswith("The answer comes from cloudflare.")


@pytest.mark.parametrize(
    "line", [("Age", "7"), ("X-Cache", "HIT from edge"), ("CF-Cache-Status", "HIT"), ("X-Varnish", "7 3")], ids="-".join
)
def test_cache_at_fault(line: tuple[str, str]) -> None:
    """A cache that gave an answer is named by the line that shows it."""
    [finding] = diagnosed(GET, saying({}, line)).findings
    assert finding.mend.startswith(f"A cache gave this answer ({line[0].lower()}: {line[1]}).")


def test_fresh_answers() -> None:
    """An answer of the age 0 does not come from a cache, nor one that Varnish has just fetched."""
    [finding] = diagnosed(GET, saying({"Age": "0", "X-Varnish": "7", "X-Cache": "MISS"})).findings
    assert not finding.mend.startswith("A cache")


def test_redirect() -> None:
    """Each answer on the way must allow the page; behind another origin it asks as `null`."""

    def site(question: Question) -> Answer | None:
        if question.url == URL:
            return answer(302, {**granted(PAGE), "Location": "http://api.example.net/x"})
        return answer(200, granted(PAGE))

    diagnosis = diagnosed(GET, site)
    [finding] = [each for each in diagnosis.findings if each.code is Code.ACAO_OTHER]
    assert "> Origin: null" in finding.evidence
    where = f"'http://api.example.net/x' (redirected from '{URL}') from origin '{PAGE}'"
    assert finding.sentence.startswith(f"Access to fetch at {where} has been blocked by CORS policy: ")
    assert not diagnosis.readable


def test_redirect_to_another_host() -> None:
    """Where nobody asked, there is no verdict."""
    away = {**granted(PAGE), "Location": "https://elsewhere.example/x"}
    assert diagnosed(GET, lambda _: answer(302, away)).readable is None


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("javascript:1", "It redirects to what is not the URL of a site, or to one with a password."),
        ("https://a:b@api.example.net/", "It redirects to what is not the URL of a site, or to one with a password."),
        ("?", "It redirects in a circle."),
    ],
)
def test_redirect_to_nowhere(where: str, says: str) -> None:
    """A redirect that browsers do not follow blocks the page."""
    diagnosis = diagnosed(GET, lambda _: answer(302, {**granted(PAGE), "Location": where}))
    assert [(Code.UNREACHABLE, says)] == [(each.code, each.sentence) for each in diagnosis.findings]
    assert diagnosis.readable is False
    # Nobody is sent round in a circle.
    assert len(of_page(diagnosis.exchanges)) == 1


def test_policy() -> None:
    """What a policy allows is meant, and what the site says otherwise than the policy is a finding."""
    document = {"version": 1, "policies": {"orders": {"origins": [PAGE, "https://?.app.example.com"]}}}
    policies = ActivePolicies(read_document(document))

    def codes(site: Site) -> set[Code]:
        exchanges = visited(GET, site)
        queries = [
            Query.received(each.question.method, each.question.lines, policy="orders", url=each.question.url)
            for each in exchanges
        ]
        return {each.code for each in diagnose(GET, exchanges, [policies.decide(query) for query in queries]).findings}

    assert codes(listing(PAGE, "https://doctor.app.example.com")) == {Code.HEALTHY}
    assert codes(listing(PAGE, "https://doctorapp.example.com")) == {Code.NEAR_MISS_ALLOWED}
    assert codes(saying({ACAO: "*"})) == {Code.ACAO_OTHER}
    assert codes(saying({ACAO: f"{PAGE}/"})) == {Code.ACAO_NOT_SERIALISED}


def test_bounded_evidence() -> None:
    """A site with a thousand lines does not fill the report."""
    [finding] = diagnosed(GET, saying({"Vary": "Origin"}, *[AGAIN] * 1000)).findings
    assert len(finding.evidence) == 24
    assert finding.evidence[-1] == "and 981 more lines"
