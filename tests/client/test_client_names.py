"""The client reaches a service by name, whatever the resolver does."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from cors_service.client import DecisionClient
from cors_service.stopped import UNDECIDED
from tests.answering import Resolver, free_port, real, resolving, unreachable
from tests.questions import LONG, SOON, ask

PLACE = f"http://{Resolver.NAME}:1"


async def test_a_slow_resolver() -> None:
    """A decision takes no longer than it may, and one thread looks the name up, none of the application's."""
    with resolving() as resolver:
        resolver.may_answer.clear()
        asking = DecisionClient(PLACE, timeout=SOON)
        before = time.monotonic()
        decisions = await gatherResults([asking.decide(ask(f"https://{number}.example")) for number in range(20)])
        await deferToThread(bool)
        assert time.monotonic() - before < 5
    assert {UNDECIDED} == {decision.reason.code for decision in decisions}
    assert resolver.asked == 1


async def test_a_resolver_that_fails() -> None:
    """The message is its own."""
    with resolving() as resolver:
        resolver.fails = True
        decision = await DecisionClient(PLACE, timeout=LONG).decide(ask())
    assert decision.reason.message.endswith("Temporary failure in name resolution.")


@pytest.mark.parametrize("is_slow", [True, False])
async def test_the_last_addresses_are_good_while_the_resolver_is_down(is_slow: bool) -> None:
    """It may be slow, or fail at once."""
    async with real() as service:
        with resolving(service.port) as resolver:
            asking = DecisionClient(PLACE, timeout=2)
            assert (await asking.decide(ask())).allowed
            if is_slow:
                resolver.may_answer.clear()
            resolver.fails = True
            for _ in range(2):
                await asking.close()
                assert (await asking.decide(ask())).allowed
            await asking.close()


async def test_the_addresses_of_a_name_may_change() -> None:
    """Each new connection goes to those that it has now."""
    async with real() as service, real() as other:
        with resolving(service.port) as resolver:
            asking = DecisionClient(PLACE, timeout=LONG)
            assert (await asking.decide(ask())).allowed
            await asking.close()
            resolver.ports = (other.port,)
            assert (await asking.decide(ask())).allowed
            assert (service.connections, other.connections) == (1, 1)
            await asking.close()


async def test_an_address_that_cannot_be_reached_leaves_time_for_the_next() -> None:
    """It gets its share, and no more; so does one that refuses."""
    async with real() as service:
        with unreachable() as dead, resolving(dead, free_port(), service.port):
            asking = DecisionClient(PLACE, timeout=1.5)
            assert (await asking.decide(ask())).allowed
            await asking.close()


async def test_all_addresses_together_have_the_time() -> None:
    """However many there are that can't be reached."""
    with ExitStack() as stack:
        ports = [stack.enter_context(unreachable()) for _ in range(4)]
        with resolving(*ports):
            decision = await DecisionClient(PLACE, timeout=SOON).decide(ask())
    assert decision.reason.message.endswith("did not answer within 0.3 seconds.")
