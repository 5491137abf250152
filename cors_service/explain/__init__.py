"""An exchange between a page, its browser and a service, step by step; and the edit of a document that mends it.

* `exchange` has what a page asks, `explanation` what comes out, as data: `text` and `written` write it.
* `explaining` goes through the steps: `_asking` says what the browser sends, `_engines` what each engine makes of the
  answers, `_afterwards` what is allowed after that, `_elsewhere` what no header of CORS decides.
* `mending` looks for the smallest edit: `_plans` has those that may do, `_edits`, `_toml` and `_toml_lists` apply them
  to a document, `patch` writes the difference, `_beyond` says what else it would allow, by the algebra, and `_why_none`
  why no edit helps.
* `messages` recognises what consoles print, `har` reads recorded sessions.

Pure: nothing here imports Twisted, reads a clock, opens a file or logs.
"""

from cors_service.explain.documents import Documents
from cors_service.explain.exchange import Answer, Answers, PageRequest
from cors_service.explain.explaining import explain, explain_answers
from cors_service.explain.explanation import ExchangeStep, Explanation, Mending, Seen

__all__ = [
    "Answer",
    "Answers",
    "Documents",
    "ExchangeStep",
    "Explanation",
    "Mending",
    "PageRequest",
    "Seen",
    "explain",
    "explain_answers",
]
