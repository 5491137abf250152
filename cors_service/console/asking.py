"""What pages ask of a store, and the sentence that people read where it does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cors_service.admin.desk import Desk
from cors_service.ledger.kept import Kept, StoreIsWrong, StoreUnavailable
from cors_service.web.problem import Problem

_Result = TypeVar("_Result")


async def ask(desk: Desk, question: Callable[[Kept], _Result]) -> _Result:
    """Ask the store for something that it has read.

    Args:
        desk: What resources share.
        question: Is called in another thread with what the store held last, and may block.

    Raises:
        Problem: The store does not answer; or what is in it has mistakes, where that is in the way.
    """
    try:
        return await desk.changes.ask(question)
    except StoreUnavailable as error:
        raise Problem(503, "store-unavailable", str(error), {"Retry-After": "2"}) from None
    except StoreIsWrong as error:
        raise Problem(409, "store-has-mistakes", str(error)) from None
