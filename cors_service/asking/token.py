"""The token that a caller shows to a decision service."""

from __future__ import annotations

import re
from typing import Final

# https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def authorization(token: str | None) -> dict[str, str]:
    """Give the headers that show a token; none where there is no token.

    Raises:
        ValueError: It is not one; the text does not say what it is instead, which may be a secret.
    """
    if token is None:
        return {}
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ValueError("This is not a token: write what `cors-service token` has shown, without `Bearer`.")
    return {"Authorization": f"Bearer {token}"}
