"""A browser, as far as CORS goes: what it sends, and what it does with the headers it is given.

It follows the WHATWG Fetch Standard, https://fetch.spec.whatwg.org/, and cites it at each step. It knows
nothing of policies: it is the judge of what a policy's headers do, and explains it in the standard's words and in
those of the consoles of Chromium, Firefox and WebKit. Plain functions of values: no I/O, no clock.
"""

from cors_service.browser.browsers import ENGINES, Behaviour
from cors_service.browser.checks import cors_check, preflight_check
from cors_service.browser.console import Failure, console_lines
from cors_service.browser.fetch import fetch_verdict
from cors_service.browser.recognition import Recognised, recognise
from cors_service.browser.request import Request, preflight_headers
from cors_service.browser.verdict import Step, Verdict

__all__ = [
    "ENGINES",
    "Behaviour",
    "Failure",
    "Recognised",
    "Request",
    "Step",
    "Verdict",
    "console_lines",
    "cors_check",
    "fetch_verdict",
    "preflight_check",
    "preflight_headers",
    "recognise",
]
