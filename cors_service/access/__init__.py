"""Who may ask for what: tokens, certificates and the verbs that they have, out of one document.

Pure: values in, values out. Whatever receives requests says what a caller showed, and asks what that caller may do.
"""

from cors_service.access.callers import Access, Caller
from cors_service.access.document import read_access
from cors_service.access.mistakes import AccessError, InvalidAccess

__all__ = ["Access", "AccessError", "Caller", "InvalidAccess", "read_access"]
