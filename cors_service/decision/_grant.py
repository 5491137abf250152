"""What one rule grants, compiled: header values are made once, when the policy is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cors_service.decision.decision import Headers
from cors_service.decision.query import MAX_HEADER_BYTES, MAX_HEADER_NAMES, MAX_METHOD
from cors_service.grammar.mistakes import cut, shown
from cors_service.grammar.tokens import is_forbidden_method, is_forbidden_request_header, is_token, normalize_method
from cors_service.policy.model import Rule

_OWS: Final = " \t"


class NotGranted(Exception):
    """A rule covers the origin, but does not grant what the request asks for.

    Attributes:
        code: The code of the reason.
        verb: What the rule does: the sentence between its name and the origin.
        but: The rest of the sentence.
    """

    def __init__(self, code: str, verb: str, but: str) -> None:
        super().__init__(code)
        self.code = code
        self.verb = verb
        self.but = but


class Grant:
    """A rule and its number, ready to decide.

    Attributes:
        number: The rule's place in its policy, from 1.
        anonymous: Whether it covers every origin, without credentials.
        credentials: Access-Control-Allow-Credentials, or nothing.
        exposed: Access-Control-Expose-Headers, or nothing.
        timing: Whether Timing-Allow-Origin is sent.
        resource_policy: Cross-Origin-Resource-Policy, or nothing.
        refuses: Whether it grants nothing to the origins that it covers.
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
        "refuses",
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
        self.refuses = rule.refuse
        self._any_method = "*" in rule.methods
        # Without any, the check of each method finds out that the rule refuses.
        self._methods = frozenset(() if rule.refuse else rule.methods)
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
            NotGranted: It is not a token, or not granted, as nothing is by a rule that refuses.
        """
        if method in self._methods and method != "*":
            return method
        if self.refuses:
            raise NotGranted("origin-refused", "refuses", "")
        if len(method) > MAX_METHOD or not is_token(method):
            raise NotGranted("method-malformed", "covers", f", but {shown(method)} is not a method")
        method = normalize_method(method)
        # `*` is a token, but in an answer it would grant everything, so a method of that name can't be allowed.
        if method == "*" or not (method in self._methods or (self._any_method and not is_forbidden_method(method))):
            raise self._lacks_method(method)
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
        asked = self._check_headers(lines, method) if lines else ()
        listed = ", ".join(asked) if self._any_header or self._prefixes else self._header_list
        return (
            ("Access-Control-Allow-Methods", method if self._any_method else self._method_list),
            *_header("Access-Control-Allow-Headers", listed),
            *self._max_age,
        )

    def has_method(self, method: str) -> bool:
        """Whether it lists a method in this very spelling."""
        return method in self._methods

    def lacks(self, lines: Sequence[str]) -> list[str]:
        """The header names of all lines, each once and well-formed, that it does not grant and could list."""
        members = (member.strip(_OWS).lower() for line in lines for member in line.split(","))
        # In a list, `x-*` is a pattern, which what a stranger sends must not become.
        names = [name for name in dict.fromkeys(members) if is_token(name) and "*" not in name]
        return [name for name in names if not self._grants(name) and not is_forbidden_request_header(name)]

    def _check_headers(self, lines: Sequence[str], method: str) -> tuple[str, ...]:
        """Check the header names of all lines; give them in lower case, each once, in their order."""
        if sum(map(len, lines)) > MAX_HEADER_BYTES:
            what = f", but the lists of header names are longer than {MAX_HEADER_BYTES} characters"
            raise NotGranted("too-many-headers", f"allows {method} from", what)
        members: list[str] = []
        for line in lines:
            members += line.split(",", MAX_HEADER_NAMES)
        if len(members) > MAX_HEADER_NAMES:
            what = f", but the request asks for more than {MAX_HEADER_NAMES} headers"
            raise NotGranted("too-many-headers", f"allows {method} from", what)
        if self._headers.issuperset(members):
            return tuple(dict.fromkeys(members))  # as browsers write it: lower case, no spaces
        names: dict[str, None] = {}
        for member in members:
            name = member.strip(_OWS)
            # Empty members of a list are valid and mean nothing (RFC 9110, 5.6.1.2).
            if name:
                names[self._check_header(name, method)] = None
        return tuple(names)

    def _check_header(self, name: str, method: str) -> str:
        if not is_token(name):
            raise NotGranted("header-malformed", f"allows {method} from", f", but {shown(name)} is not a header name")
        name = name.lower()
        if self._grants(name):
            return name
        but = f" but not the request header {shown(name)}"
        if name == "*":
            but = " but no rule can allow a request header called '*'"
        elif self._any_header or name.startswith(self._prefixes):
            but += f", which {'*' if self._any_header else 'a prefix'} does not cover"
        raise NotGranted("header-not-allowed", f"allows {cut(method)} from", but)

    def _grants(self, name: str) -> bool:
        """Whether it grants a request header of this lower-case name."""
        if name in self._headers:
            return True
        # Neither `*` nor a prefix covers Authorization (Fetch, #cors-non-wildcard-request-header-name). A header
        # called `*` can't be allowed: in an answer it would grant everything.
        return name not in {"authorization", "*"} and (self._any_header or name.startswith(self._prefixes))

    def _lacks_method(self, method: str) -> NotGranted:
        if self._any_method or method == "*" or is_forbidden_method(method):
            return NotGranted("method-not-allowed", "covers", f", but no rule can allow {shown(method)}")
        but = f" but not {cut(method)}"
        if method.upper() in self._methods:
            but += f" (methods are case-sensitive: the page must send {cut(method.upper())})"
        return NotGranted("method-not-allowed", f"allows {cut(self._method_list, 200)} from", but)


def _header(name: str, value: str) -> Headers:
    return ((name, value),) if value else ()
