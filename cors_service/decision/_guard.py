"""Which requests a service refuses to take, by where they come from and by which host they call it.

CORS decides what a page may read. It does not stop what a page sends without being asked: simple requests, WebSocket
handshakes (RFC 6455, 10.2), requests to a name that its author makes lead to somebody's own machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from cors_service.decision._urls import URL, candidates, parse_site
from cors_service.decision.decision import Decision, GuardMode, GuardVerdict, Reason
from cors_service.decision.query import Circumstances, Query
from cors_service.grammar.host import ANY_PORT
from cors_service.grammar.mistakes import shown
from cors_service.grammar.pattern import NULL
from cors_service.policy.model import ALL_REQUESTS, STATE_CHANGING, WEBSOCKET, Guard, Policy

# They change nothing (RFC 9110, 9.2.1). Other spellings are other methods to some servers.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# What a WebSocket handshake may have as its method, whatever a rule grants pages.
_ABOUT_METHOD: Final = frozenset({"method-malformed", "method-not-allowed"})
# The values of Sec-Fetch-Site (W3C Fetch Metadata, 2.3).
_SAME_ORIGIN: Final = "same-origin"
_BY_USER: Final = "none"
_FOREIGN: Final = frozenset({"same-site", "cross-site"})
_NOTHING: Final = Circumstances()

_HINTS: Final = {
    "host-not-allowed": "If people call the service by this host, add it to hosts of the guard.",
    "cross-site": "Have the page use fetch with CORS, which sends an Origin that a rule can cover.",
    "origin-missing": 'If native clients and servers call the service, write without_origin = "allow".',
    "fetch-metadata-malformed": "Pass on the one Sec-Fetch-Site that the browser sent.",
}


class CompiledGuard(Struct, frozen=True, eq=False, gc=False):
    """The guard of one policy, ready to decide.

    Attributes:
        requests: What it is about.
        takes_nobodys: Whether a request passes that says nothing of where it comes from.
        hosts: By which hosts the service may be called, as the keys of matches have them, or with any port.
        mode: What a refusal means.
    """

    requests: frozenset[str]
    takes_nobodys: bool
    hosts: frozenset[str]
    mode: GuardMode

    @classmethod
    def of(cls, guard: Guard, policy: Policy) -> CompiledGuard:
        """Compile a guard of a policy."""
        mode: GuardMode = "report" if guard.mode == "report" else "enforce"
        return cls(frozenset(guard.requests), guard.without_origin == "allow", frozenset(hosts_of(guard, policy)), mode)

    def judge(self, query: Query, url: URL | None, decision: Decision) -> GuardVerdict | None:
        """Say whether a request passes; None where the guard is not about it.

        Args:
            query: The request.
            url: Its URL; None if there is none, or none that can be compared.
            decision: What was decided about its Origin.
        """
        known = query.circumstances or _NOTHING
        is_websocket = _is_websocket(query, known)
        if not self._is_about(query.method, is_websocket):
            return None
        passes, reason = (
            self._by_host(query, url, known)
            or _by_origin(query, url, known, decision, is_websocket)
            or self._without_origin(query, known, is_websocket)
        )
        return GuardVerdict(passes, self.mode, reason)

    def _is_about(self, method: str, is_websocket: bool) -> bool:
        return (
            ALL_REQUESTS in self.requests
            or (STATE_CHANGING in self.requests and method not in _SAFE)
            or (is_websocket and WEBSOCKET in self.requests)
        )

    def _by_host(self, query: Query, url: URL | None, known: Circumstances) -> _Judged | None:
        """Refuse a request that calls the service by a host that is not listed, in its URL or in its Host."""
        if query.url is None and not known.hosts:
            why = "Neither Host nor the URL says by which host the service is called."
        elif len(known.hosts) > 1:
            why = f"The request has {len(known.hosts)} Host lines."
        elif query.url is not None and not (url and self._lists(url)):
            why = f"The guard does not list the host of {shown(query.url)}."
        elif known.hosts and not any(site and self._lists(site) for site in _sites(known.hosts[0])):
            why = f"The guard does not list the host {shown(known.hosts[0])}."
        else:
            return None
        return _refused("host-not-allowed", why)

    def _lists(self, site: URL) -> bool:
        ports = (ANY_PORT, f":{site.port}", *([""] if site.is_default else []))
        return any(host + port in self.hosts for host in candidates(site.host, True) for port in ports)

    def _without_origin(self, query: Query, known: Circumstances, is_websocket: bool) -> _Judged:
        site = known.sites[0] if len(known.sites) == 1 else None
        if known.sites and site not in {_SAME_ORIGIN, _BY_USER, *_FOREIGN}:
            given = ", ".join(known.sites)
            return _refused("fetch-metadata-malformed", f"Sec-Fetch-Site is {shown(given)}, which no browser sends.")
        if site in _FOREIGN:
            is_navigation = known.modes == ("navigate",) and known.dests == ("document",)
            if is_navigation and query.method == "GET" and not is_websocket:
                return _passes("navigation", "Somebody follows a link to it.")
            return _refused("cross-site", f"A page of another origin sent it, says Sec-Fetch-Site: {site}.")
        # Browsers send an Origin with every WebSocket handshake, so this one is of another client.
        if site == _SAME_ORIGIN and not is_websocket:
            return _passes("own-page", "A page of the service's own origin sent it, says Sec-Fetch-Site: same-origin.")
        if site == _BY_USER and not is_websocket:
            return _passes("user-initiated", "The user sent it, not a page, says Sec-Fetch-Site: none.")
        if self.takes_nobodys:
            return _passes("no-origin", "The request has no Origin, like those of native clients and servers.")
        return _refused("origin-missing", "The request has no Origin, and the guard has without_origin = 'refuse'.")


def hosts_of(guard: Guard, policy: Policy) -> Sequence[str]:
    """Give the hosts by which the service of a policy may be called, as the keys of matches have them."""
    return guard.hosts or [match.key.partition("/")[0] for match in policy.match]


class Guards(Struct):
    """Counts the policies that have a guard.

    Attributes:
        all: How many have one.
        enforcing: How many have one that does more than report.
    """

    all: int = 0
    enforcing: int = 0

    def count(self, policy: Policy | None, times: int = 1) -> None:
        """Count a policy, if it has a guard; with -1 for one that is no longer there."""
        if policy is not None and policy.guard is not None:
            self.all += times
            self.enforcing += times * (policy.guard.mode == "enforce")


def with_hint(verdict: GuardVerdict) -> GuardVerdict:
    """Say what to write where a guard refuses; a refused Origin has its hint in the decision about it."""
    hint = _HINTS.get(verdict.reason.code, "")
    return structs.replace(verdict, reason=structs.replace(verdict.reason, hint=hint)) if hint else verdict


_Judged = tuple[bool, Reason]


def _by_origin(
    query: Query, url: URL | None, known: Circumstances, decision: Decision, is_websocket: bool
) -> _Judged | None:
    """Judge a request with an Origin by what was decided about it; None if it has none.

    The host of its URL is listed, also where it is none of those of `match`.
    """
    if not query.origins:
        return None
    if decision.allowed:
        return True, decision.reason
    if url is not None and query.origins == (url.origin,):
        return _passes("same-origin", f"{url.origin} is the origin of the URL itself.")
    if is_websocket and decision.rule is not None and decision.reason.code in _ABOUT_METHOD:
        return _passes("allowed", f"Rule {decision.rule} of policy {decision.policy} covers {query.origins[0]}.")
    # From pages with Referrer-Policy: no-referrer (Fetch, #append-a-request-origin-header).
    if query.origins == (NULL,) and known.sites == (_SAME_ORIGIN,):
        return _passes("own-page", "A page of the service's own origin sent it, says Sec-Fetch-Site: same-origin.")
    return False, decision.reason


def _is_websocket(query: Query, known: Circumstances) -> bool:
    """Whether this opens a WebSocket (RFC 6455, 4.1; in HTTP/2 and 3 by an extended CONNECT, RFC 8441, 4)."""
    if query.url is not None and query.url.lower().startswith(("ws:", "wss:")):
        return True
    if any(token.strip(" \t").lower() == "websocket" for line in known.upgrades for token in line.split(",")):
        return True
    # In HTTP/1.1, what asks in the middle may have taken off Upgrade, which is for one hop. No page can send this one.
    return bool(known.websocket_versions)


def _sites(host: str) -> list[URL | None]:
    """Read a Host; its default port depends on a scheme that it does not name."""
    if set(host) & set("/?#\\@"):
        return []
    return [parse_site(f"{scheme}://{host}") for scheme in ("https", "http")]


def _passes(code: str, message: str) -> _Judged:
    return True, Reason(code, message)


def _refused(code: str, message: str) -> _Judged:
    return False, Reason(code, message)
