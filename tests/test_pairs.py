"""Tests of decisions by pairs, a policy and a request near it, and of the judge of these pairs."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cors_service.decision import Decision
from cors_service.decision._compiled import CompiledPolicy
from cors_service.decision._grant import Grant, NotGranted
from cors_service.decision._origins import OriginIndex
from cors_service.decision.decision import REASONS
from cors_service.testing import strategies
from cors_service.testing.documents import Document
from tests import soak
from tests.pairs import EXCHANGES, Judgement, WrongPair, judge_numbered, judge_some

DOCUMENTS = 2_000
PAIRS = 100_000


@pytest.mark.slow
def test_browsers_agree() -> None:
    """What is allowed passes the browser, with cookies if the rule has credentials; what is refused does not."""
    judged: Counter[Judgement] = Counter()

    @settings(
        max_examples=DOCUMENTS,
        deadline=None,
        phases=set(Phase) - {Phase.explain},
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(strategies.documents(expressions=True), st.integers(0, 2**32 - 1))
    def judge_document(document: Document, seed: int) -> None:
        judged.update(judge_some(document, Random(seed)))

    judge_document()
    assert judged.total() >= PAIRS
    assert_balanced(judged)


def assert_balanced(judged: Counter[Judgement]) -> None:
    """Check that the pairs are on both sides of each border."""
    reasons: Counter[str] = Counter()
    for judgement, count in judged.items():
        reasons[judgement.reason] += count
    # Exchanges have a URL.
    assert set(reasons) == REASONS - {"origin-needs-url"}
    assert min(reasons.values()) > judged.total() / 1_000
    assert 0.15 < share_of(judged, lambda judgement: judgement.allowed) < 0.6
    assert 0.05 < share_of(judged, lambda judgement: judgement.credentials) < 0.5
    assert share_of(judged, lambda judgement: judgement.allowed and not judgement.credentials) > 0.05


def share_of(judged: Counter[Judgement], matters: Callable[[Judgement], bool]) -> float:
    """The share of judgements that something is true of."""
    return sum(count for judgement, count in judged.items() if matters(judgement)) / judged.total()


def judge_until_wrong(documents: int = 400) -> None:
    """Judge documents of one series."""
    for _ in chain.from_iterable(judge_numbered(7, number) for number in range(documents)):
        pass


Patch = pytest.MonkeyPatch


def wrapped(patch: Patch, owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    """Put a function in front of a method: it gets the method, and what the method would get."""
    method = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **keys: wrapper(method, *args, **keys))


def origins_read_as(change: Callable[[str], str]) -> Callable[[Patch], None]:
    """Take one origin for another."""
    return lambda patch: wrapped(patch, OriginIndex, "find", lambda find, self, origin: find(self, change(origin)))


def grants_with(**values: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """Compile rules wrongly: change what they have under some names."""

    def compiled(init: Callable[..., None], self: Grant, *args: Any, **keys: Any) -> None:
        init(self, *args, **keys)
        for name, change in values.items():
            setattr(self, name, change(getattr(self, name)))

    return lambda patch: wrapped(patch, Grant, "__init__", compiled)


def answers_with(name: str, change: Callable[[str], str]) -> Callable[[Patch], None]:
    """Send another value of a header."""

    def answer(allow: Callable[..., Decision], self: object, kind: str, status: int, headers: Any, *rest: Any) -> Any:
        changed = tuple((header, change(value) if header == name else value) for header, value in headers)
        return allow(self, kind, status, changed, *rest)

    return lambda patch: wrapped(patch, CompiledPolicy, "_allow", answer)


def refuse_with_origin(patch: Patch) -> None:
    """Answer what is refused as if the origin was all that counts."""

    def decide(method: Callable[..., Decision], self: object, query: Any, *rest: Any) -> Decision:
        decision = method(self, query, *rest)
        if decision.allowed is not False:
            return decision
        allow = tuple(("Access-Control-Allow-Origin", origin) for origin in query.origins[:1])
        parts = {name: getattr(decision, name) for name in decision.__struct_fields__}
        return Decision(**{**parts, "headers": allow + decision.headers})

    wrapped(patch, CompiledPolicy, "decide", decide)


def star_covers_authorization(patch: Patch) -> None:
    """Let a rule's star cover each header."""

    def check(method: Callable[..., str], self: Grant, name: str, asked: str) -> str:
        try:
            return method(self, name, asked)
        except NotGranted:
            if self._any_header and name.lower() == "authorization":
                return "authorization"
            raise

    wrapped(patch, Grant, "_check_header", check)


def star_is_a_method(patch: Patch) -> None:
    """Let a rule's star cover the method that is called so."""

    def check(method: Callable[..., str], self: Grant, name: str) -> str:
        return name if name == "*" and self._any_method else method(self, name)

    wrapped(patch, Grant, "check_method", check)


FAULTS: dict[str, Callable[[Patch], None]] = {
    "a suffix without its dot": origins_read_as(lambda origin: origin.replace("://evil", "://evil.")),
    "a prefix of the host": origins_read_as(lambda origin: origin.removesuffix(".evil.com")),
    "any case of the origin": origins_read_as(str.lower),
    "any scheme": origins_read_as(lambda origin: origin.replace("http://", "https://")),
    "a slash at the end": origins_read_as(lambda origin: origin.removesuffix("/")),
    "the default port": origins_read_as(lambda origin: origin.removesuffix(":443")),
    "any port": origins_read_as(lambda origin: re.sub(r":[0-9]+\Z", "", origin)),
    "a path behind the origin": origins_read_as(lambda origin: "/".join(origin.split("/")[:3])),
    "the next rule": lambda patch: wrapped(
        patch, OriginIndex, "find", lambda find, self, origin: find(self, origin) - (find(self, origin) > 0)
    ),
    "credentials dropped": grants_with(credentials=lambda _: ()),
    "credentials for all": grants_with(credentials=lambda _: (("Access-Control-Allow-Credentials", "true"),)),
    "credentials in capitals": answers_with("Access-Control-Allow-Credentials", str.title),
    "a star for all": answers_with("Access-Control-Allow-Origin", lambda _: "*"),
    "a slash behind the origin": answers_with("Access-Control-Allow-Origin", lambda origin: f"{origin}/"),
    "a star for the headers": answers_with("Access-Control-Allow-Headers", lambda _: "*"),
    "headers by semicolons": answers_with("Access-Control-Allow-Headers", lambda names: names.replace(",", ";")),
    "methods in small letters": answers_with("Access-Control-Allow-Methods", str.lower),
    "any case of the method": lambda patch: patch.setattr("cors_service.decision._grant.normalize_method", str.upper),
    "HEAD not behind GET": grants_with(_methods=lambda methods: methods - {"HEAD"}),
    "a method called star": star_is_a_method,
    "Authorization by a star": star_covers_authorization,
    "a prefix without its hyphen": grants_with(_prefixes=lambda prefixes: tuple(name.rstrip("-") for name in prefixes)),
    "no prefixes": grants_with(_prefixes=lambda _: ()),
    "the first line of names": lambda patch: wrapped(
        patch, Grant, "_check_headers", lambda check, self, lines, method: check(self, lines[:1], method)
    ),
    "names in any number": lambda patch: patch.setattr("cors_service.decision._grant.MAX_HEADER_NAMES", 65),
    "names of any length": lambda patch: patch.setattr("cors_service.decision._grant.MAX_HEADER_BYTES", 4097),
    "methods of any length": lambda patch: patch.setattr("cors_service.decision._grant.MAX_METHOD", 65),
    "refusals that grant": refuse_with_origin,
    "rules that refuse, and grant": grants_with(_methods=lambda methods: methods or frozenset({"GET", "HEAD", "POST"})),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_faults_are_found(fault: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """Whatever is decided wrongly, some pair tells, and it shows the document, the query and both opinions."""
    fault(monkeypatch)
    with pytest.raises(WrongPair) as caught:
        judge_until_wrong()
    for part in ("document: {", "query: Query(", "decision: Decision(", "document says", "browser (chromium): Verdict"):
        assert part in str(caught.value)


@pytest.mark.slow
def test_nothing_is_found_without_a_fault() -> None:
    """What finds the faults finds none where there is none."""
    judge_until_wrong(100)


def test_documents_of_a_series_are_repeated() -> None:
    """A document and its requests are the same each time, and others than those of the next number or seed."""
    named = ((1, 2), (1, 2), (1, 3), (2, 2))
    first, again, following, of_another_seed = (list(judge_numbered(seed, number)) for seed, number in named)
    assert len(first) == EXCHANGES
    assert first == again
    assert first not in (following, of_another_seed)


@pytest.mark.slow
class TestSoak:
    """The script that judges millions."""

    def test_all_is_well(self, capsys: pytest.CaptureFixture[str]) -> None:
        """As many pairs are judged as asked for, rounded up to documents; seed, count, rate and shares are told."""
        assert soak.main(["--pairs", "1951", "--seed", "5", "--first", "3", "--jobs", "1"]) == 0
        told = capsys.readouterr().out
        assert "seed 5, documents 3 to 42, 50 pairs each" in told
        assert re.search(r"^2,000 pairs in \d+ s, [\d,]+ a second: 0 wrong, [\d.]+% allowed$", told, re.MULTILINE)
        assert re.search(r"^  origin-not-allowed +\d+ +[\d.]+%$", told, re.MULTILINE)

    def test_progress_is_told(self, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]) -> None:
        """Every few seconds a line tells how many were judged, how fast, and how long it will take."""
        monkeypatch.setattr(soak, "_PAUSE", 0)
        assert soak.main(["--pairs", "2000", "--seed", "5", "--jobs", "1"]) == 0
        first = r"^1,000 of 2,000 pairs \(50.0%\), [\d,]+ a second, \d+:\d\d left, 0 wrong$"
        assert re.search(first, capsys.readouterr().out, re.MULTILINE)

    def test_a_fault_is_shown(self, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]) -> None:
        """The first wrong pair ends the run with a status of 1; the line it gives finds the same pair again."""
        FAULTS["a slash behind the origin"](monkeypatch)
        assert soak.main(["--pairs", "100000", "--seed", "5", "--jobs", "1"]) == 1
        told = capsys.readouterr().out
        found = told[told.index("document: {") : told.index("\nagain:")]
        line = re.search(r"^again: python -m tests\.soak (.*)$", told, re.MULTILINE)
        assert line is not None
        assert soak.main([*line[1].split(), "--jobs", "1"]) == 1
        assert found in capsys.readouterr().out

    def test_what_can_not_be_decided_is_a_fault(self, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]) -> None:
        """An exception ends the run like a wrong decision."""
        monkeypatch.delattr(OriginIndex, "find")
        assert soak.main(["--pairs", "50", "--seed", "5", "--jobs", "1"]) == 1
        assert "AttributeError" in capsys.readouterr().out

    def test_several_processes(self) -> None:
        """Several processes judge as many pairs as one."""
        command = [sys.executable, "-m", "tests.soak", "--pairs", "2000", "--seed", "5", "--jobs", "2"]
        root = Path(__file__).parents[1]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "2,000 pairs in " in done.stdout
