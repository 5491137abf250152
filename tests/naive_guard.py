"""The oracle of the guard: the table of docs/document.md read row by row, without any code of the product's.

Headers come as lines, hosts as they are written, and the decision about the Origin as it is.
"""

import re
from collections.abc import Sequence

Lines = Sequence[tuple[str, str]]


def judge(
    guard: dict[str, object], method: str, url: str | None, lines: Lines, decided: str, *, rule: bool, called: bool
) -> tuple[bool, str] | None:
    """Say whether a request passes, and by which code.

    Args:
        guard: The guard as a document writes it.
        method: The method of the request.
        url: Its URL.
        lines: Its header lines.
        decided: The reason code of the decision about its Origin.
        rule: Whether a rule was found for that Origin.
        called: Whether the service is called by a listed host, see `is_called_rightly`.

    Returns:
        Nothing where the guard is not about this request.
    """
    websocket = (url or "").lower().startswith(("ws://", "wss://"))
    for line in _values(lines, "upgrade"):
        websocket = websocket or "websocket" in [token.strip().lower() for token in line.split(",")]
    websocket = websocket or _values(lines, "sec-websocket-version") != []
    written = guard.get("requests", "all")
    kinds = written if isinstance(written, list) else [written]
    changing = "state-changing" in kinds and method not in ("GET", "HEAD", "OPTIONS")
    if not ("all" in kinds or changing or ("websocket" in kinds and websocket)):
        return None
    if not called:
        return False, "host-not-allowed"
    if _values(lines, "origin"):
        return (True, "same-origin") if _is_own(url, lines) else _with_origin(lines, decided, rule, websocket)
    return _without_origin(guard, method, lines, websocket)


def _is_own(url: str | None, lines: Lines) -> bool:
    """Whether the Origin is that of the URL, by whose host the service may be called."""
    scheme, _, rest = (url or "").partition("://")
    scheme = {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme.lower())
    host, port = _parted(re.split(r"[/?#\\]", rest)[0].lower())
    default = {"http": 80, "https": 443}.get(scheme)
    end = "" if port is None or int(port) == default else f":{int(port)}"
    return _values(lines, "origin") == [f"{scheme}://{host}{end}"]


def _with_origin(lines: Lines, decided: str, rule: bool, websocket: bool) -> tuple[bool, str]:
    if decided in ("allowed", "same-origin"):
        return True, decided
    if websocket and rule and decided in ("method-not-allowed", "method-malformed"):
        return True, "allowed"
    if _values(lines, "origin") == ["null"] and _values(lines, "sec-fetch-site") == ["same-origin"]:
        return True, "own-page"
    return False, decided


def _without_origin(guard: dict[str, object], method: str, lines: Lines, websocket: bool) -> tuple[bool, str]:
    site = _values(lines, "sec-fetch-site")
    if site not in ([], ["same-origin"], ["none"], ["same-site"], ["cross-site"]):
        return False, "fetch-metadata-malformed"
    if site in (["same-site"], ["cross-site"]):
        top = _values(lines, "sec-fetch-mode") == ["navigate"] and _values(lines, "sec-fetch-dest") == ["document"]
        return (True, "navigation") if top and method == "GET" and not websocket else (False, "cross-site")
    if site and not websocket:
        return True, "own-page" if site == ["same-origin"] else "user-initiated"
    if guard.get("without_origin", "allow") == "allow":
        return True, "no-origin"
    return False, "origin-missing"


def _values(lines: Lines, name: str) -> list[str]:
    return [value for key, value in lines if key.lower() == name]


def is_called_rightly(listed: list[str], url: str | None, lines: Lines) -> bool:
    """Say whether every name by which the service is called is listed, and there is one.

    Args:
        listed: The hosts that the guard lists, or those of `match`, without paths.
        url: The URL of the request.
        lines: Its header lines.
    """
    hosts = _values(lines, "host")
    if len(hosts) > 1 or (url is None and not hosts):
        return False
    called: list[tuple[str, tuple[str, ...]]] = [(host, ("http", "https")) for host in hosts]
    if url is not None:
        scheme, _, rest = url.partition("://")
        scheme = {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme.lower())
        called.append((rest.split("/")[0], (scheme, scheme)))
    return all(any(_is_listed(listed, host, scheme) for scheme in schemes) for host, schemes in called)


def _is_listed(listed: list[str], authority: str, scheme: str) -> bool:
    default = {"http": "80", "https": "443"}[scheme]
    host, port = _parted(authority.lower())
    host, port = host.removesuffix("."), default if port is None else port
    for each in listed:
        name, wanted = _parted(each)
        fits = host.endswith(name[1:]) and host != name[1:] if name.startswith("*.") else host == name
        if fits and (wanted == "*" or port == (default if wanted is None else wanted)):
            return True
    return False


def _parted(authority: str) -> tuple[str, str | None]:
    if authority.endswith("]") or ":" not in authority:
        return authority, None
    host, _, port = authority.rpartition(":")
    return host, port
