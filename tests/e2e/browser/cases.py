"""What pages try: tables of a few lines, combined. What must come of it stands nowhere here: see prediction.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from urllib.parse import urlencode

Headers = tuple[tuple[str, str], ...]

LOGGED_IN = "api.corp.localhost"
"""The host that has a cookie."""
SITE = "corp.localhost"
"""The site of that host: from elsewhere, browsers send no cookie."""

OPAQUE = ("sandbox", "data")
"""Contexts whose origin is ``null``; see harness.js."""


@dataclass(frozen=True)
class Case:
    """One request of a page.

    Attributes:
        group: What it is about.
        policy: The name of the policy of the first URL.
        page: The origin of the page that makes it.
        urls: The URL, and those it is redirected to.
        statuses: The statuses of the answers.
        method: As the page writes it.
        headers: That the page sets.
        credentials: The credentials mode.
        context: Where in the page it is made.
    """

    group: str
    policy: str
    page: str
    urls: tuple[str, ...]
    statuses: tuple[int, ...] = (200,)
    method: str = "GET"
    headers: Headers = ()
    credentials: str = "omit"
    context: str = "page"

    @property
    def origin(self) -> str:
        """The serialised origin of who makes the request."""
        return "null" if self.context in OPAQUE else self.page

    @property
    def redirected(self) -> bool:
        """Whether the first answer is a redirect."""
        return len(self.urls) > 1

    @property
    def has_cookie(self) -> bool | None:
        """Whether the cookie must be sent along; None where that is the browser's policy on other sites."""
        host = self.urls[0].split("/")[2].partition(":")[0]
        if self.credentials == "omit" or host != LOGGED_IN:
            return False
        if self.credentials == "same-origin":
            return self.urls[0].startswith(f"{self.origin}/")
        within_site = self.page.split(":")[1].endswith(f".{SITE}") and self.origin != "null"
        return None if self.redirected or not within_site else True


class Table:
    """Collects cases, each with URLs of its own."""

    def __init__(self, ports: Sequence[int], run: str = "") -> None:
        """Begin one.

        Args:
            ports: The four ports of the application, ascending.
            run: A name that makes its URLs differ from those of other tables, so that nothing kept is used again.
        """
        self.cases: list[Case] = []
        self.ports = ports
        self.run = run
        self.api = self.at(LOGGED_IN)
        self.app = self.at("app.corp.localhost")
        self.admin = self.at("admin.corp.localhost", 1)
        self.partner = self.at("partner.localhost")
        self.stranger = self.at("evil.localhost")

    def at(self, host: str, port: int = 0) -> str:
        """The origin of a host, at one of the ports."""
        return f"http://{host}:{self.ports[port]}"

    def add(
        self,
        group: str,
        policy: str,
        page: str,
        *,
        target: str = "",
        status: int = 200,
        redirects: Sequence[tuple[int, str, str]] = (),
        named: bool = False,
        method: str = "GET",
        headers: Headers = (),
        credentials: str = "omit",
        context: str = "page",
    ) -> None:
        """Add a case.

        Args:
            group: What it is about.
            policy: The policy asked about.
            page: The origin of the page.
            target: The origin asked; that of the API if empty.
            status: Of the last answer.
            redirects: For each redirect its status, and the origin and the policy that it leads to.
            named: Whether the application names the policy to the service, instead of the URL alone.
            method: As the page writes it.
            headers: That the page sets.
            credentials: The credentials mode.
            context: Where in the page.
        """
        places = [(target or self.api, policy), *((origin, name) for _, origin, name in redirects)]
        statuses = (*(code for code, _, _ in redirects), status)
        urls: list[str] = []
        for (origin, name), code in zip(reversed(places), reversed(statuses), strict=True):
            query = {"case": f"{self.run}{len(self.cases)}", "status": code, **({"to": urls[0]} if urls else {})}
            path = f"named/{name}" if named else name
            urls.insert(0, f"{origin}/{path}/things?{urlencode(query)}")
        case = Case(group, policy, page, tuple(urls), statuses, method, headers, credentials, context)
        self.cases.append(case)


def all_cases(ports: Sequence[int], run: str = "") -> list[Case]:
    """Make the whole table; see there."""
    table = Table(ports, run)
    for fill in (_origins, _methods, _headers, _credentials, _exposed, _statuses, _contexts, _redirects, _own_origin):
        fill(table)
    return table.cases


def _page_origins(table: Table) -> Iterator[str]:
    corp = (
        "app", "admin", "en", "de", "fr", "pr-1", "pr-x", "pr-1.x", "deep.er", "a_b", "-a", "xn--bcher-kva",
        "a+b", "a..b",
    )  # fmt: skip
    for name in corp:
        yield table.at(f"{name}.{SITE}")
    elsewhere = (
        SITE, f"evil{SITE}", f"app.{SITE}.evil.localhost", "pr-1xcorp.localhost", f"app.{SITE}.", "partner.localhost",
        "shop.partner.localhost", "evilpartner.localhost", "evil.localhost", "127.0.0.1", "localhost",
    )  # fmt: skip
    for name in elsewhere:
        yield table.at(name)
    for port in (1, 2, 3):
        yield table.at("app.corp.localhost", port)
        yield table.at("en.corp.localhost", port)
    yield table.admin
    yield table.at("pr-22.corp.localhost", 3)
    yield table.at("partner.localhost", 1)
    yield table.at("localhost", 1)
    yield table.at("localhost", 2)


def _origins(table: Table) -> None:
    policies = (
        "exact", "subdomains", "one-label", "any-port", "ports", "alternatives", "other-scheme", "regex", "sets",
        "tiers", "globs", "any-host", "addresses", "incident", "static",
    )  # fmt: skip
    for page, policy in product(_page_origins(table), policies):
        table.add("origin", policy, page, named=policy in {"exact", "sets"})
    for page in (*(table.at(LOGGED_IN, port) for port in (1, 2, 3)), table.app, table.at(f"x.{LOGGED_IN}", 1)):
        table.add("origin", "bound", page)


def _methods(table: Table) -> None:
    methods = (
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "put",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "patch",
        "QUERY",
        "LIST",
        "*",
        "TRACE",
    )
    policies = ("exact", "read-only", "editing", "patching", "any-method", "public-wide")
    for method, policy in product(methods, policies):
        table.add("method", policy, table.app, method=method)
    for method, page in product(("GET", "POST", "PUT", "DELETE"), (table.admin, table.partner, table.stranger)):
        table.add("method", "tiers", page, method=method)
    for method, policy in product(("PUT", "PATCH", "*"), ("any-method", "public-wide", "session")):
        table.add("method", policy, table.app, method=method, credentials="include")


def _header_sets() -> Iterator[Headers]:
    yield (("Content-Type", "application/json"),)
    yield (("Content-Type", "text/plain;charset=utf-8"),)
    yield (("Authorization", "Bearer secret"),)
    yield (("Authorization", "Bearer secret"), ("Content-Type", "application/json"))
    yield (("X-App-One", "1"),)
    yield (("x-app-two", "2"), ("X-APP-ONE", "1"))
    yield (("x-app-", "1"),)
    yield (("x-other", "1"), ("x-app-one", "1"))
    yield (("*", "1"),)
    yield (("Accept", "a" * 128),)
    yield (("Accept", "a" * 129),)
    yield (("Accept", "text/{plain}"),)
    yield (("Accept-Language", "de; q=0.5"),)
    yield (("Accept-Language", "de_CH"),)
    yield (("Range", "bytes=0-9"),)
    yield (("Range", "bytes=0-9,20-29"),)
    yield (("Cookie", "session=2"), ("Origin", "http://app.corp.localhost"))  # the browser drops them
    yield (("X-HTTP-Method-Override", "TRACE"),)  # this one as well
    yield (("X-HTTP-Method-Override", "PUT"),)
    yield tuple((f"x-app-{number}", "1") for number in range(64))
    yield tuple((f"x-app-{number}", "1") for number in range(65))  # more than the service takes


def _headers(table: Table) -> None:
    policies = ("exact", "json", "token", "prefix", "any-header", "any-header-token", "public-wide")
    for headers, policy in product(_header_sets(), policies):
        table.add("header", policy, table.app, headers=headers)
    pages = (table.admin, table.partner, table.stranger)
    for headers, page in product(list(_header_sets())[:4], pages):
        table.add("header", "tiers", page, headers=headers, method="PUT")


def _credentials(table: Table) -> None:
    policies = ("exact", "public", "session", "tiers", "any-header-token", "public-wide", "sets", "static")
    modes = ("omit", "same-origin", "include")
    pages = (table.app, table.admin, table.partner, table.at("localhost"), table.stranger)
    for policy, mode, page in product(policies, modes, pages):
        table.add("credentials", policy, page, credentials=mode)
    preflighted = ((("X-CSRF-Token", "1"),), (("Authorization", "Basic YTpi"),))
    for policy, headers, page in product(("session", "tiers", "any-header-token"), preflighted, pages):
        table.add("credentials", policy, page, credentials="include", method="PUT", headers=headers)


def _exposed(table: Table) -> None:
    policies = ("exact", "public", "public-wide", "session", "tiers")
    for policy, page, mode in product(policies, (table.app, table.stranger), ("omit", "include")):
        for method in ("GET", "POST"):
            table.add("exposed", policy, page, credentials=mode, method=method, named=True)


def _statuses(table: Table) -> None:
    statuses = (201, 204, 301, 400, 401, 403, 404, 409, 418, 429, 500, 503)
    for status, page, policy in product(statuses, (table.app, table.stranger), ("exact", "tiers")):
        table.add("status", policy, page, status=status)


def _contexts(table: Table) -> None:
    contexts = ("sandbox", "data", "sandbox-same-origin", "srcdoc", "blob", "worker")
    policies = ("exact", "any-port", "sandbox", "regex", "public", "tiers", "session")
    for context, policy, method in product(contexts, policies, ("GET", "PUT")):
        table.add("context", policy, table.app, context=context, method=method)
    for context, policy in product(("sandbox", "data"), ("sandbox", "public", "session")):
        table.add("context", policy, table.app, context=context, credentials="include")


def _redirects(table: Table) -> None:
    other = table.at("api.corp.localhost", 1)
    policies = ("exact", "sandbox", "public", "tiers", "session")
    for first, second in product(policies, policies):
        table.add("redirect", first, table.app, redirects=[(302, table.api, second)])
        table.add("redirect", first, table.app, redirects=[(302, other, second)])  # now the origin is `null`
    for code, method in product((301, 302, 303, 307, 308), ("POST", "PUT")):
        table.add("redirect", "tiers", table.app, redirects=[(code, table.api, "tiers")], method=method)
        table.add("redirect", "sandbox", table.app, redirects=[(code, other, "sandbox")], method=method)
    token = (("Authorization", "Bearer secret"),)
    for origin, second in product(
        (table.api, other), ("tiers", "sandbox", "sandbox-token", "any-header-token", "public")
    ):
        table.add("redirect", "tiers", table.app, redirects=[(307, origin, second)], headers=token)
    for page in (table.app, table.stranger):
        table.add("redirect", "public", page, redirects=[(302, page, "exact")])  # back to its own origin: as `null`
        table.add("redirect", "public", page, redirects=[(302, page, "public")])
        table.add("redirect", "exact", page, target=page, redirects=[(302, table.api, "exact")])
    twice = [(302, table.api, "sandbox"), (302, other, "sandbox")]
    table.add("redirect", "sandbox", table.app, redirects=twice)
    table.add("redirect", "session", table.app, redirects=[(302, table.api, "session")], credentials="include")


def _own_origin(table: Table) -> None:
    own = (("X-Own", "1"),)
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    for method, policy in product(methods, ("exact", "tiers", "public")):
        table.add("own origin", policy, table.api, method=method, credentials="same-origin")
        table.add("own origin", policy, table.stranger, target=table.stranger, method=method, headers=own)
