"""What can be wrong, as codes, which are API."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """What was found."""

    ACAO_MISSING = "acao-missing"
    ACAO_REPEATED = "acao-repeated"
    ACAO_LIST = "acao-list"
    ACAO_OTHER = "acao-other"
    ACAO_NOT_SERIALISED = "acao-not-serialised"
    ANY_ORIGIN_WITH_CREDENTIALS = "any-origin-with-credentials"
    ORIGIN_REFLECTED = "origin-reflected"
    NEAR_MISS_ALLOWED = "near-miss-allowed"
    NULL_ALLOWED = "null-allowed"
    ACAC_NOT_TRUE = "acac-not-true"
    VARY_MISSING = "vary-missing"
    CACHE_MIXES_ORIGINS = "cache-mixes-origins"
    PREFLIGHT_STATUS = "preflight-status"
    PREFLIGHT_REDIRECT = "preflight-redirect"
    PREFLIGHT_AUTHENTICATED = "preflight-authenticated"
    METHOD_MISSING = "method-missing"
    HEADER_MISSING = "header-missing"
    LIST_MALFORMED = "list-malformed"
    AUTHORIZATION_BY_WILDCARD = "authorization-by-wildcard"
    MAX_AGE_MALFORMED = "max-age-malformed"
    ERROR_WITHOUT_HEADERS = "error-without-headers"
    HEADERS_ON_REFUSAL = "headers-on-refusal"
    UNREACHABLE = "unreachable"
    UNANSWERED = "unanswered"
    HEALTHY = "healthy"
