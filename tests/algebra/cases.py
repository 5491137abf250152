"""Edits by hand, each with a difference that one fault of a comparison would miss."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
_DANGERS = ["null-origin", "file-origin", "any-host", "insecure-origins", "public-suffix-subdomains"]

_NO_CLEARTEXT: Document = {
    "credentials": True,
    "dangerously_allow": [danger for danger in _DANGERS if danger != "insecure-origins"],
}


def document(*rules: Document, **policy: Any) -> Document:
    """A document of one policy."""
    lifted = [rule if rule.get("refuse") else {"dangerously_allow": _DANGERS, **rule} for rule in rules]
    return {"version": 1, "policies": {"p": {"rules": lifted, **policy}}}


def origins(*patterns: str, **grants: Any) -> Document:
    """A rule."""
    return {"origins": list(patterns), **grants}


A = origins("https://a.x")
_ALL_HEADERS: Document = {"request_headers": ["*", "authorization"]}
CASES: dict[str, tuple[Document, Document]] = {
    "labels in plural": (document(origins("https://?.x")), document(origins("https://*.x"))),
    "an underscore": (
        document(origins("https://a*b.x"), origins("https://?.x", refuse=True)),
        document(
            origins("https://a*b.x"), origins("https://a*.x", "https://*b.x"), origins("https://?.x", refuse=True)
        ),
    ),
    "a narrower range": (document(origins("http://10.0.0.0/30")), document(origins("http://10.0.0.0/31"))),
    "a longer range of ports": (document(origins("https://a.x:1-2")), document(origins("https://a.x:1-3"))),
    "any port": (document(origins("https://*.x")), document(origins("https://*.x:*"))),
    "one label more": (document(A), document(origins("https://a.x", "https://?.a.x"))),
    "any host": (document(A), document(origins("https://a.x", "https://*:1"))),
    "null": (document(A), document(origins("https://a.x", "null"))),
    "files": (document(A), document(origins("https://a.x", "file://"))),
    "embedding": (
        document(origins("https://a.x", resource_policy="same-site")),
        document(origins("https://a.x")),
    ),
    "the status": (document(A), document(A, preflight_status=200)),
    "the age": (document(A), document(origins("https://a.x", max_age=60))),
    "no cookies": (document(origins("https://a.x", credentials=True)), document(A)),
    "an exposed header less": (document(origins("https://a.x", expose_headers=["x-a"])), document(A)),
    "a header": (document(A), document(origins("https://a.x", request_headers=["x-a"]))),
    "a prefix": (document(A), document(origins("https://a.x", request_headers=["x-*"]))),
    "a prefix of a name": (
        document(origins("https://a.x", request_headers=["x-"])),
        document(origins("https://a.x", request_headers=["x-", "x-*"])),
    ),
    "timing of other than exact origins": (
        document(origins("https://a.x", timing=True), origins("https://b.x")),
        document(origins("https://a.x", "https://*.b.x", timing=True), origins("https://b.x")),
    ),
    "all methods": (
        document(origins("https://a.x", methods=["GET"])),
        document(origins("https://a.x", methods=["*"])),
    ),
    "everybody is told by name": (
        document(origins("https://b.x"), origins("https://a*b.x", "*")),
        document(origins("https://b.x"), origins("https://a*b.x")),
    ),
    "a pattern less": (document(origins("https://a.x", "https://b*.x")), document(A)),
    "timing without an Origin": (
        document(origins("https://a.x", timing=True)),
        document(origins("https://a.x"), origins("https://b.x", timing=True)),
    ),
    "a guard": (
        document(A, guard={"hosts": ["s"]}),
        document(A, guard={"hosts": ["s"], "without_origin": "refuse"}),
    ),
    "a guard of any port": (
        document(A, guard={"hosts": ["a.s:*"]}),
        document(A, guard={"hosts": ["a.s"]}),
    ),
    "methods that a guard looks at": (
        document(origins("https://a.x", methods=["PUT"], **_ALL_HEADERS), guard={"hosts": ["s"]}),
        document(origins("https://a.x", methods=["GET"], **_ALL_HEADERS), guard={"hosts": ["s"]}),
    ),
    "two globs": (
        document(origins("https://a*.x"), origins("https://*b.x", methods=["PUT"])),
        document(origins("https://*b.x", methods=["PUT"]), origins("https://a*.x")),
    ),
    "a glob and a longer one": (
        document(origins("https://aa*.x"), origins("https://a*b.x", methods=["PUT"])),
        document(origins("https://a*b.x", methods=["PUT"]), origins("https://aa*.x")),
    ),
    "a guard of WebSockets": (
        document(A, guard={"hosts": ["s"], "requests": ["websocket"]}),
        document(A, guard={"hosts": ["s"], "requests": ["state-changing"]}),
    ),
    "whose own a URL is": (document(A, match=["s/"]), document(A, match=["a.s/"])),
    "what is bound": (
        document(A, match=["<t>.s/"]),
        document(origins("https://a.x", "https://<t>.x"), match=["<t>.s/"]),
    ),
    "what needs a URL": (
        document(A, origins("https://<t>.x", refuse=True), match=["<t>.s/"]),
        document(origins("https://<t>.x", refuse=True), A, match=["<t>.s/"]),
    ),
    "a guard of another host than that of the URL": (
        document(
            origins("https://<t>.a.x:1", r"re:.*\.x", refuse=True),
            match=["<t>.s/"],
            guard={"hosts": ["s"], "mode": "report"},
        ),
        document(origins("https://<t>.a.x:1", r"re:.*\.x"), match=["<t>.s/"], guard={"hosts": ["s"], "mode": "report"}),
    ),
    "an expression": (document(A), document(origins("https://a.x", r"re:https://[ab]b\.x"))),
    "beside an expression": (
        document(origins(r"re:https://[a-z]+\.x")),
        document(origins(r"re:https://[a-z]+\.x", "https://?.x")),
    ),
    "a port beside an expression": (
        document(origins(r"re:https://b\.x")),
        document(origins(r"re:https://b\.x", "https://b.x:1-443")),
    ),
    "addresses of an expression": (
        document(origins("https://10.0.0.0/31")),
        document(origins("https://10.0.0.0/31", r"re:https://10\.0\.0\.[0-9]+")),
    ),
    "a glob within an expression": (
        document(origins("https://a*.x", refuse=True), A),
        document(origins("https://a*.x", refuse=True), origins("https://a.x", r"re:https://[ab]+\.x", "https://b*.x")),
    ),
    "another glob within an expression": (
        document(origins("https://b*.x", refuse=True), A),
        document(origins("https://b*.x", refuse=True), origins("https://a.x", r"re:https://[ab]+\.x")),
    ),
    "a glob behind an expression": (
        document(A, origins("https://q.x"), origins("https://a*.x", methods=["PUT"])),
        document(A, origins("https://q.x", r"re:https://[ab]+\.x"), origins("https://a*.x", methods=["PUT"])),
    ),
    "cleartext that an expression may cover": (
        document(origins(r"re:http[s]?://a\.x", credentials=True, dangerously_allow=[])),
        document(origins(r"re:http[s]?://a\.x", credentials=True)),
    ),
    "cleartext that an expression covers without cookies": (
        document(origins(r"re:http[s]?://a\.x", credentials=True, dangerously_allow=[])),
        document(origins(r"re:http[s]?://a\.x")),
    ),
    "cleartext of the machine itself": (
        document(origins("https://b.x")),
        document(origins("https://b.x"), origins(r"re:htt[p]://.*[tx]", **_NO_CLEARTEXT)),
    ),
    "cleartext of others": (
        document(origins(r"re:htt[p]://.*[tx]", **_NO_CLEARTEXT), origins("*")),
        document(origins(r"re:htt[p]://.*[tx]", **_NO_CLEARTEXT), origins("*", expose_headers=["x-a"])),
    ),
    "a host behind an expression": (
        document(origins(r"re:https?://b.*\.x")),
        document(origins("http://b.x:1-443", r"re:https?://b.*\.x", request_headers=["x-a"])),
    ),
    "an expression of WebSockets": (document(A), document(origins("https://a.x", r"re:wss?://a\.x"))),
    "an expression of another scheme": (document(A), document(origins("https://a.x", r"re:(web|https)://[a-z]+\.x"))),
}
