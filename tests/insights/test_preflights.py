"""Tests of what preflights cost, checked against the model of the browser's preflight cache."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cors_service.browser import Behaviour, Request
from cors_service.browser.browsers import MAX_AGE_CAPS
from cors_service.browser.preflights import sent_preflights
from cors_service.insights._moments import Moments
from cors_service.insights.lines import read_line
from cors_service.insights.preflights import Choice, costs_of, fewest_preflights, is_long
from cors_service.insights.sums import Sums
from tests.insights.logs import BEGIN, active, asked, decided, line, preflight

APP, SHOP = "https://app.example.com", "https://shop.partner.example"
BROWSERS = st.sampled_from(sorted(MAX_AGE_CAPS, key=str))


class Keeping:
    """Answers that let everything be kept for some seconds."""

    def __init__(self, max_age: int) -> None:
        self._max_age = max_age

    def preflight(self, request: Request) -> tuple[int, list[tuple[str, str]]]:
        """Allow it."""
        methods, max_age = ("Access-Control-Allow-Methods", "PUT"), ("Access-Control-Max-Age", str(self._max_age))
        return 204, [*self.actual(request), methods, max_age]

    def actual(self, request: Request) -> list[tuple[str, str]]:
        """Let it be read."""
        return [("Access-Control-Allow-Origin", request.origin)]


def request(origin: str = APP) -> Request:
    """Make a request that needs a preflight."""
    return Request(origin, "https://api.example.com/", method="PUT")


@given(st.lists(st.integers(0, 5000), max_size=60), st.integers(1, 2000), BROWSERS)
def test_no_fewer_preflights_are_possible(minutes: list[int], kept: int, browser: Behaviour) -> None:
    """The fewest preflights are those that the cache counts, if one browser asks for one URL at all these times."""
    moments = Moments()
    for minute in minutes:
        moments.add(BEGIN + minute * 60)
    timed = [(minute * 60.0, request()) for minute in sorted(minutes)]
    counted = sum(sent_preflights(timed, Keeping(kept * 60), browser))
    assert fewest_preflights([moments], min(kept * 60, MAX_AGE_CAPS[browser])) == counted


@given(
    st.lists(st.tuples(st.floats(0, 200_000), st.integers(0, 3), st.sampled_from([APP, SHOP])), max_size=60),
    st.sampled_from([600, 7200, 86400]),
    BROWSERS,
)
def test_several_browsers_send_no_fewer(visits: list[tuple[float, int, str]], max_age: int, browser: Behaviour) -> None:
    """However many browsers there are, together they send as many, or more."""
    interval = 10.0
    sent = 0
    origins: dict[str, Moments] = {}
    for number, origin in itertools.product(range(4), (APP, SHOP)):
        timed = [(BEGIN + at, request(origin)) for at, who, page in sorted(visits) if (who, page) == (number, origin)]
        sent += sum(sent_preflights(timed, Keeping(max_age), browser))
        # What is known are the intervals of the preflights that were sent with a short time.
        for (at, _), is_sent in zip(timed, sent_preflights(timed, Keeping(5), browser), strict=True):
            if is_sent:
                origins.setdefault(origin, Moments()).add(at - at % interval)
    kept = min(max_age, MAX_AGE_CAPS[browser])
    assert fewest_preflights(origins.values(), kept, interval + 60) <= sent


def seen(choice: Choice) -> tuple[object, ...]:
    """Give the numbers of a choice."""
    return (choice.max_age, *((one.seconds, one.preflights) for one in choice.browsers))


def test_costs_of_rules() -> None:
    """For each rule there is what it has, and longer times, as each browser caps them."""
    policies = active()
    sums = Sums(policies)
    lines = [decided(policies, preflight(APP), at * 800, count=10) for at in range(100)]
    lines.append(decided(policies, asked(APP, "PUT"), count=3000))
    lines.append(decided(policies, asked(APP), count=99_999))  # needs no preflight: there was none for this method
    lines += [decided(policies, preflight(SHOP), count=50), decided(policies, asked(SHOP, "PUT"), count=60)]
    sums.add_all(map(read_line, lines))
    first, second = costs_of(sums)
    assert (first.policy, first.rule, first.credentials) == ("app", 1, True)
    assert (first.preflights, first.requests) == (1000, 3000)
    assert [seen(choice) for choice in first.choices] == [
        (None, (5, 1000), (5, 1000), (5, 1000)),
        (600, (600, 100), (600, 100), (600, 100)),
        (7200, (7200, 10), (7200, 10), (600, 100)),
        (86400, (7200, 10), (86400, 1), (600, 100)),
    ]
    assert [one.browser for one in first.choices[0].browsers] == ["chromium", "firefox", "webkit"]
    assert [is_long(first, choice) for choice in first.choices] == [False, False, True, True]
    # It has 600 s already, and its preflights came all at once.
    assert [seen(choice) for choice in second.choices] == [
        (600, (600, 50), (600, 50), (600, 50)),
        (7200, (7200, 1), (7200, 1), (600, 1)),
        (86400, (7200, 1), (86400, 1), (600, 1)),
    ]


def test_without_policies() -> None:
    """Without policies, or without preflights, there is nothing to say."""
    sums = Sums()
    sums.add(line(kind="preflight", method="PUT"))
    assert costs_of(sums) == []
    policies = active()
    sums = Sums(policies)
    sums.add(line(revision=policies.revision))
    assert costs_of(sums) == []


def test_an_origin_that_needs_the_url() -> None:
    """Where the answer depends on the host, what the rule has stands for it."""
    policies = active(
        "version = 1\n[policies.tenants]\nmatch = ['<tenant>.api.example.com/']\n"
        "origins = ['https://<tenant>.app.example.com']\nmax_age = 86400\n"
    )
    sums = Sums(policies)
    origin = "https://one.app.example.com"
    sums.add(line(revision=policies.revision, policy="tenants", origin=origin, kind="preflight", method="GET"))
    [cost] = costs_of(sums)
    assert [one.seconds for one in cost.choices[0].browsers] == [7200, 86400, 600]
    assert len(cost.choices) == 1


def test_masked_origins_share_their_moments() -> None:
    """Origins that are not known by themselves may be one, and no more preflights are sure than for one."""
    policies = active()
    sums = Sums(policies)
    for number in range(3):
        masked = {"origin": f"{number:016x}", "origins": "hashed", "revision": policies.revision}
        sums.add(line(0, rule=1, kind="preflight", method="PUT", **masked))
    [cost] = costs_of(sums)
    assert cost.preflights == 3
    assert [one.preflights for one in cost.choices[1].browsers] == [1, 1, 1]
