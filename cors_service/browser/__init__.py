"""A browser, as far as CORS goes: what it sends, and what it does with the headers it is given.

It follows the WHATWG Fetch Standard, https://fetch.spec.whatwg.org/, and cites it at each step. It knows
nothing of policies: it is the judge of what a policy's headers do, and explains it in the standard's and in
Chromium's words. Plain functions of values: no I/O, no clock.
"""

from ._browsers import CHROMIUM_MAX_AGE_CAP, FIREFOX_MAX_AGE_CAP, Behaviour
from ._cache import CacheEntry, preflight_cache_after, preflight_cache_entries, preflight_max_age, satisfied_by_cache
from ._checks import cors_check, preflight_check
from ._fetch import PreflightAnswer, fetch_verdict
from ._headers import HeaderLines
from ._request import (
    Request,
    actual_headers,
    is_forbidden_method,
    is_forbidden_request_header,
    is_safelisted_method,
    is_safelisted_request_header,
    needs_preflight,
    normalize_method,
    preflight_headers,
    unsafe_request_header_names,
)
from ._sharing import corp_check, exposed_headers, tao_check
from ._verdict import Step, Verdict

__all__ = [
    "CHROMIUM_MAX_AGE_CAP",
    "FIREFOX_MAX_AGE_CAP",
    "Behaviour",
    "CacheEntry",
    "HeaderLines",
    "PreflightAnswer",
    "Request",
    "Step",
    "Verdict",
    "actual_headers",
    "corp_check",
    "cors_check",
    "exposed_headers",
    "fetch_verdict",
    "is_forbidden_method",
    "is_forbidden_request_header",
    "is_safelisted_method",
    "is_safelisted_request_header",
    "needs_preflight",
    "normalize_method",
    "preflight_cache_after",
    "preflight_cache_entries",
    "preflight_check",
    "preflight_headers",
    "preflight_max_age",
    "satisfied_by_cache",
    "tao_check",
    "unsafe_request_header_names",
]
