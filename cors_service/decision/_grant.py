"""What one rule grants, compiled: header values are made once, when the policy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cors_service.decision.decision import Headers
from cors_service.grammar.mistakes import cut, shown
from cors_service.grammar.tokens import is_forbidden_method, is_token, normalize_method
from cors_service.policy.model import Rule

MAX_HEADER_NAMES: Final = 64
"""Names in all Access-Control-Request-Headers lines of a preflight; browsers send a handful."""
MAX_HEADER_BYTES: Final = 4096
"""Length of all these lines together."""
MAX_METHOD: Final = 64
"""Length of a method name."""

_OWS: Final = " \t"


class NotGranted(Exception):
    """A rule covers the origin, but does not grant what the request asks for.

    Attributes:
        code: The code of the reason.
        what: What is wrong: the rest of a sentence, behind "but".
    """

    def __init__(self, code: str, what: str) -> None:
        super().__init__(code)
        self.code = code
        self.what = what


class Grant:
    """A rule and its number, ready to decide.

    Attributes:
        number: The rule's place in its policy, from 1.
        anonymous: Whether it covers every origin, without credentials.
        credentials: Access-Control-Allow-Credentials, or nothing.
        exposed: Access-Control-Expose-Headers, or nothing.
        timing: Whether Timing-Allow-Origin is sent.
        resource_policy: Cross-Origin-Resource-Policy, or nothing.
    """

    __slots__ = (
        "_any_header",
        "_any_method",
        "_header_list",
        "_headers",
        "_max_age",
        "_method_list",
        "_methods",
        "_prefixes",
        "anonymous",
        "credentials",
        "exposed",
        "number",
        "resource_policy",
        "timing",
    )

    def __init__(self, number: int, rule: Rule, *, anonymous: bool) -> None:
        self.number = number
        self.anonymous = anonymous
        self.timing = rule.timing
        self.credentials: Headers = (("Access-Control-Allow-Credentials", "true"),) if rule.credentials else ()
        self.exposed: Headers = _header("Access-Control-Expose-Headers", ", ".join(sorted(rule.expose_headers)))
        self.resource_policy: Headers = _header("Cross-Origin-Resource-Policy", rule.resource_policy or "")
        self._any_method = "*" in rule.methods
        self._methods = frozenset(rule.methods)
        self._method_list = ", ".join(rule.methods)
        self._any_header = "*" in rule.request_headers
        self._headers = frozenset(name for name in rule.request_headers if name[-1:] != "*")
        self._prefixes = tuple(name[:-1] for name in rule.request_headers if name[-1:] == "*" and name != "*")
        self._header_list = ", ".join(sorted(self._headers))
        self._max_age: Headers = () if rule.max_age is None else (("Access-Control-Max-Age", str(rule.max_age)),)

    def check_method(self, method: str) -> str:
        """Normalise a method and check that the rule grants it.

        Returns:
            The method, normalised (Fetch, #concept-method-normalize).

        Raises:
            NotGranted: It is not a token, or not granted.
        """
        if method in self._methods and method != "*":
            return method
        if len(method) > MAX_METHOD or not is_token(method):
            raise NotGranted("method-malformed", f"{shown(method)} is not a method")
        method = normalize_method(method)
        # `*` is a token, but in an answer it would grant everything, so a method of that name can't be allowed.
        if method == "*" or not (method in self._methods or (self._any_method and not is_forbidden_method(method))):
            raise NotGranted("method-not-allowed", self._methods_in_words(method))
        return method

    def preflight(self, method: str, lines: Sequence[str]) -> Headers:
        """Check what a preflight asks for (Fetch, #cors-preflight-fetch-0, steps 7.5 to 7.7 seen from the server).

        Args:
            method: The value of its one Access-Control-Request-Method line.
            lines: The values of its Access-Control-Request-Headers lines.

        Returns:
            The headers that follow Access-Control-Allow-Credentials in the answer, without Vary.

        Raises:
            NotGranted: The method or a header is malformed or not granted, or there are too many headers.
        """
        method = self.check_method(method)
        asked = self._check_headers(lines) if lines else ()
        listed = ", ".join(asked) if self._any_header or self._prefixes else self._header_list
        return (
            ("Access-Control-Allow-Methods", method if self._any_method else self._method_list),
            *_header("Access-Control-Allow-Headers", listed),
            *self._max_age,
        )

    def _check_headers(self, lines: Sequence[str]) -> tuple[str, ...]:
        """Check the header names of all lines; give them in lower case, each once, in their order."""
        if sum(map(len, lines)) > MAX_HEADER_BYTES:
            what = f"the request's lists of header names are longer than {MAX_HEADER_BYTES} characters"
            raise NotGranted("too-many-headers", what)
        members: list[str] = []
        for line in lines:
            members += line.split(",", MAX_HEADER_NAMES)
        if len(members) > MAX_HEADER_NAMES:
            raise NotGranted("too-many-headers", f"the request asks for more than {MAX_HEADER_NAMES} headers")
        if self._headers.issuperset(members):
            return tuple(dict.fromkeys(members))  # as browsers write it: lower case, no spaces
        names: dict[str, None] = {}
        for member in members:
            name = member.strip(_OWS)
            # Empty members of a list are valid and mean nothing (RFC 9110, 5.6.1.2).
            if name:
                names[self._check_header(name)] = None
        return tuple(names)

    def _check_header(self, name: str) -> str:
        if not is_token(name):
            raise NotGranted("header-malformed", f"{shown(name)} is not a header name")
        name = name.lower()
        if name in self._headers:
            return name
        # Neither `*` nor a prefix covers Authorization (Fetch, #cors-non-wildcard-request-header-name). A header
        # called `*` can't be allowed: in an answer it would grant everything.
        if name in {"authorization", "*"} or not (self._any_header or name.startswith(self._prefixes)):
            raise NotGranted("header-not-allowed", f"does not allow the header {shown(name)}")
        return name

    def _methods_in_words(self, method: str) -> str:
        if self._any_method:
            return f"no rule can allow {shown(method)}"
        words = f"does not allow {shown(method)}: it allows {cut(self._method_list, 200)}"
        if method.upper() in self._methods:
            words += f" (methods are case-sensitive: the page must send {cut(method.upper())})"
        return words


def _header(name: str, value: str) -> Headers:
    return ((name, value),) if value else ()
