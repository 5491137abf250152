"""`/admin/v1/ledger`: the changes that were made."""

from __future__ import annotations

from typing import Final

from cors_service.access.callers import Caller
from cors_service.admin.endpoint import AdminEndpoint, number, parameters
from cors_service.admin.making import as_entry
from cors_service.ledger.kept import Kept, StoreUnavailable
from cors_service.web.answer import JSON, NO_STORE, Answer
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.wire.json_text import write_json

MOST_ENTRIES: Final = 1000
_USUAL: Final = 100
_LARGEST: Final = (1 << 53) - 1


class LedgerEndpoint(AdminEndpoint):
    """The entries of the ledger, in their order."""

    def answer_GET(self, request: AnyRequest, caller: Caller) -> Later:
        """Give those after a number."""
        given = parameters(request, "after", "limit")
        after = number(given, "after", 0, _LARGEST)
        limit = number(given, "limit", _USUAL, MOST_ENTRIES)

        def read(kept: Kept) -> bytes:
            entries = [as_entry(one) for one in self.desk.changes.store.entries(after, limit)]
            return write_json({"head": kept.head, "entries": entries})

        async def answer() -> Answer:
            try:
                body = await self.desk.changes.ask(read)
            except StoreUnavailable as error:
                raise Problem(503, "store-unavailable", str(error), {"Retry-After": "2"}) from None
            return Answer(200, JSON, body, {"Cache-Control": NO_STORE})

        return self.later(answer)
