"""Who probably answers for an origin."""

from __future__ import annotations

import pytest

from cors_service.console.owners import likely_owners
from cors_service.policy import read_document

POLICIES = read_document(
    {
        "version": 1,
        "origin_sets": {"partners": ["https://*.partner.example.net"]},
        "policies": {
            "shop": {"origins": ["@partners", "https://shop.example.co.uk"]},
            "news": {"rules": [{"origins": ["https://bad.example.org"], "refuse": True}, {"origins": ["*"]}]},
        },
    }
)


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("https://new.partner.example.net", "https://*.partner.example.net is listed in the origin set partners"),
        ("https://www.example.co.uk:8443", "https://shop.example.co.uk is listed in the policy shop"),
        ("https://other.example.org", "whoever registered example.org; no policy lists anything of theirs"),
        ("http://localhost:5173", "a developer, on their own machine"),
        ("http://127.0.0.1", "a developer, on their own machine"),
        ("http://192.168.1.7", "somebody on a local network"),
        ("https://intranet", "whoever runs intranet"),
        ("null", "nobody in particular"),
        ("chrome-extension://abcdefghijklmnop", "the maker of a browser extension"),
        ("capacitor://localhost", "own machine"),
        ("app://shop", "the maker of an application"),
        ("https://<script>", "no browser"),
        ("", "no browser"),
    ],
)
def test_owners(origin: str, words: str) -> None:
    """What policies list of the same site names the owner best; what is no site says what it is."""
    assert words in likely_owners([origin], POLICIES)[origin]
