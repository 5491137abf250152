"""Which labels in Punycode a browser can produce.

A browser serialises a host by UTS #46 (URL, #concept-domain-to-ascii), which refuses a label `xn--...` that is not the
Punycode of a valid label: https://www.unicode.org/reports/tr46/#Validity_Criteria.
"""

from __future__ import annotations

import unicodedata
from typing import Final

import idna

PREFIX: Final = "xn--"
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_JOINERS: Final = frozenset("\u200c\u200d")


def has_impossible_label(host: str) -> bool:
    """Say whether no browser produces a host of a scheme with a network, because of one of its labels in Punycode.

    Args:
        host: In lower case and ASCII: a whole name, or its last labels.
    """
    if PREFIX not in host:
        return False
    try:
        labels = [_decoded(label) for label in host.split(".") if label]
        if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for label in labels for char in label):
            for label in labels:
                idna.check_bidi(label, check_ltr=True)
    except ValueError:  # IDNAError and UnicodeError are ValueErrors
        return True
    return False


def _decoded(label: str) -> str:
    """Give the label that a browser has encoded.

    Raises:
        ValueError: No browser has.
    """
    if not label.startswith(PREFIX):
        return label
    code = label.removeprefix(PREFIX).encode("ascii")
    text = code.decode("punycode")
    is_valid = (
        not text.isascii()
        # No other text has this code, so no browser writes this one for it.
        and text.encode("punycode") == code
        and idna.uts46_remap(text, std3_rules=False) == text
        and unicodedata.category(text[0])[0] != "M"
        and all(idna.valid_contextj(text, index) for index, char in enumerate(text) if char in _JOINERS)
    )
    if not is_valid:
        raise ValueError(label)
    return text
