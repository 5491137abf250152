"""Tests of the fuzz targets: they pass on every input of their corpora, and fail where something is broken."""

from __future__ import annotations

import base64
import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import re2
from msgspec import structs

from cors_service.decision import BadQuery, Decision, Query, _origins, _ports, _readings, _router, _urls
from cors_service.decision._compiled import CompiledPolicy
from cors_service.decision._grant import Grant, NotGranted
from cors_service.decision._ports import NO_RULE
from cors_service.grammar import _frame
from cors_service.grammar import alternatives as _alternatives
from cors_service.grammar import pattern as _pattern
from cors_service.grammar.alternatives import MAX_ALTERNATIVES, expand
from cors_service.grammar.origin import Origin, parse_origin
from cors_service.policy import _report
from cors_service.policy import draft as _draft
from cors_service.policy import schema as _schema
from cors_service.policy.model import Rule
from cors_service.server import plain as _plain
from cors_service.server import quick as _quick
from fuzz import document, header_list, origin, pattern, query, request, run

FEWEST_SEEDS = 12


@pytest.mark.parametrize("name", run.TARGETS)
def test_target_passes_on_its_corpus(name: str) -> None:
    """No input of a corpus makes its target fail."""
    for seed in sorted((run.CORPUS / name).iterdir()):
        try:
            import_module(f"fuzz.{name}").check(seed.read_bytes())
        except Exception as error:
            error.add_note(f"The input is {seed.relative_to(run.ROOT)}.")
            raise


def test_each_target_has_a_corpus() -> None:
    """Each target starts from a dozen inputs at least, and no inputs lie where no target finds them."""
    assert sorted(run.TARGETS) == sorted(directory.name for directory in run.CORPUS.iterdir())
    assert all(len(list(directory.iterdir())) >= FEWEST_SEEDS for directory in run.CORPUS.iterdir())


@dataclass(frozen=True)
class Fault:
    """Something broken, and an input on which a target must notice it.

    Attributes:
        target: The target.
        data: The input.
        owner: The module or class that has what is broken.
        name: Its name there.
        broken: What takes its place.
    """

    target: ModuleType
    data: bytes
    owner: Any
    name: str
    broken: Any


def always(value: Any) -> Callable[..., Any]:
    """A function that returns this, whatever it is given."""

    def function(*arguments: Any) -> Any:
        return value

    return function


def raising(error: Exception) -> Callable[..., Any]:
    """A function that raises this, whatever it is given."""

    def function(*arguments: Any) -> Any:
        raise error

    return function


def unchanged(*arguments: Any) -> Any:
    """The last argument."""
    return arguments[-1]


def unanchored(patterns: list[str]) -> Any:
    """A set of expressions that look for a match anywhere."""
    automaton = re2.Set.SearchSet()
    for one in patterns:
        automaton.Add(one.removeprefix("re:"))
    automaton.Compile()
    return automaton


def without_credentials(rule: Rule) -> dict[str, Any]:
    """A rule as it is written, but for one key."""
    return {key: value for key, value in write_rule(rule).items() if key != "credentials"}


def elsewhere(*arguments: Any, guesses: bool) -> list[Any]:
    """The mistakes that a mistake against the schema is, at a place that there is not."""
    return [(("policies", "b"), error) for _, error in translate(*arguments, guesses=guesses)]


def in_line(number: int) -> dict[str, Any]:
    """What finds lines of TOML, but always this one."""

    def lines(text: str, paths: Iterable[Any]) -> dict[Any, int]:
        return dict.fromkeys(paths, number)

    return {"toml": lines}


def first_line(grant: Grant, lines: tuple[str, ...], method: str) -> Any:
    """The names in the first line of a list of header names."""
    return check_headers(grant, lines[:1], method)


def granting(*arguments: Any) -> Decision:
    """A refusal that carries a header of a grant."""
    decision: Decision = refuse(*arguments)
    return structs.replace(decision, headers=(*decision.headers, ("Access-Control-Allow-Credentials", "true")))


def for_itself(policy: Any, asked: Query, url: _urls.URL | None, revision: str) -> Decision:
    """A decision that takes the Origin for that of the URL."""
    decision: Decision = decide(policy, asked, _urls.parse_url(f"{asked.origins[0]}/"), revision)
    return decision


# As they are before anything is broken.
write_rule, translate = Rule.as_dict, _schema._translate
check_headers, refuse = Grant._check_headers, CompiledPolicy._refuse
decide = CompiledPolicy.decide

RULES = b'Tversion=1\n[[policies.a.rules]]\norigins=["https://a"]\n[[policies.a.rules]]\norigins=["*"]'
UNKNOWN_KEY = b'Tversion=1\npolicies.a.origins=["*"]\npolicies.a.oops=1'
REFUSED = b"?policy=app&origin=https://evil.example"
ROUTED = b"https://api.example.com/prices/today"
FAULTS = {
    "an origin is lower-cased before it is read": Fault(
        origin, b"https://A.example", origin, "parse_origin", lambda raw: parse_origin(raw.lower())
    ),
    "a line end is cut off": Fault(
        origin, b"https://a.example\n", origin, "parse_origin", lambda raw: parse_origin(raw.rstrip())
    ),
    "an origin is not recognised": Fault(origin, b"app://bundle", origin, "parse_origin", always(None)),
    "an origin becomes another": Fault(
        origin, b"https://a.example:8443", origin, "parse_origin", always(Origin("https", "a.example", 443))
    ),
    "an origin fails to be read": Fault(origin, b"null", origin, "parse_origin", raising(ValueError("null"))),
    "a name is taken for an address": Fault(origin, b"https://a", origin, "canonical_ipv4", always("0.0.0.10")),
    "an address becomes another": Fault(origin, b"http://[::1]", origin, "canonical_ipv6", always(b"[::2]")),
    "an address stays as it is": Fault(origin, b"http://[::01]", origin, "canonical_ipv6", unchanged),
    "a wildcard stands for anything": Fault(
        pattern, b'https://*.example.com\nhttps://a"b.example.com', _origins, "is_label", always(True)
    ),
    "a wildcard covers nothing": Fault(pattern, b"https://?.example.com", _origins._Node, "find", always(NO_RULE)),
    "a port is not looked at": Fault(pattern, b"http://a:1-9\nhttp://a:10", _ports, "bisect_right", always(2)),
    "an expression is not anchored": Fault(
        pattern, b"re:https://a\\.example\nhttps://a.example.evil", _origins, "automaton_of", unanchored
    ),
    "alternatives are left out": Fault(
        pattern, b"https://{a,b}.example", pattern, "expand", lambda text: expand(text)[:1]
    ),
    "there are more alternatives than promised": Fault(
        pattern, b"https://" + b"{a,b}" * 9, _alternatives, "MAX_ALTERNATIVES", 2 * MAX_ALTERNATIVES
    ),
    "advice is bad": Fault(pattern, b"https://A.example", _pattern, "suggestion", always('Write "https://B".')),
    "a message forges a line": Fault(pattern, b"https://\xc2\x85", _frame, "shown", str),
    "a pattern fails to be read": Fault(pattern, b"https://a/", _pattern, "read_single", raising(IndexError())),
    "a key is not written": Fault(
        document,
        b'Tversion=1\n[policies.a]\norigins=["https://a"]\ncredentials=true',
        Rule,
        "as_dict",
        without_credentials,
    ),
    "a revision is none": Fault(document, RULES, document, "revision", always("sha256:")),
    "a line is beyond the text": Fault(document, UNKNOWN_KEY, _report, "_LINES", in_line(4)),
    "a line is another": Fault(document, UNKNOWN_KEY, _report, "_LINES", in_line(1)),
    "a path leads nowhere": Fault(document, UNKNOWN_KEY, _schema, "_translate", elsewhere),
    "a document fails to be read": Fault(document, b"J[]", _draft, "check_structure", raising(KeyError("version"))),
    "the second rule decides": Fault(document, RULES, _origins.OriginIndex, "find", always(1)),
    "the first line alone is read": Fault(header_list, b"1GET\nx-a\nx-evil", Grant, "_check_headers", first_line),
    "a list is not bounded": Fault(header_list, b"3GET\n" + b"x" * 4097, Grant, "_check_headers", unchanged),
    "a prefix covers authorization": Fault(header_list, b"6GET\nauthorization", Grant, "_check_header", unchanged),
    "a star is listed": Fault(header_list, b"3GET\n*", Grant, "_check_header", unchanged),
    "a name is answered by another": Fault(header_list, b"2GET\nx-b", Grant, "_check_header", always("x-c")),
    "a granted name is refused": Fault(
        header_list, b"3GET\nx-a", Grant, "_check_header", raising(NotGranted("header-not-allowed", "", ""))
    ),
    "a method is not checked": Fault(header_list, b"1DELETE\nx-a", Grant, "check_method", unchanged),
    "a refusal grants": Fault(query, REFUSED, CompiledPolicy, "_refuse", granting),
    "a refused preflight grants": Fault(query, REFUSED + b"&request_method=PUT", CompiledPolicy, "_refuse", granting),
    "an origin is answered that no rule covers": Fault(query, REFUSED, _origins.OriginIndex, "find", always(0)),
    "a header has a line end": Fault(
        query, b"?policy=app&origin=https://app.example.com%0d%0aa:b", _origins.OriginIndex, "find", always(0)
    ),
    "an error has a code of its own": Fault(query, b"{}", query, "read_query", raising(BadQuery("oops", "Oops."))),
    "a query fails to be read": Fault(query, b"{", query, "parse_json", raising(RecursionError())),
    "a path is not folded": Fault(
        query, "https://api.example.com/prices/\u00e9".encode(), _urls, "fold_path", unchanged
    ),
    "a reading is passed over": Fault(
        query, b"https://api.example.com/prices/..%2fcatalogue/", _readings, "_last_return", always(-1)
    ),
    "a URL has the port of another": Fault(query, ROUTED, _urls, "DEFAULT_PORTS", {"https": 80}),
    "a URL finds another policy": Fault(query, ROUTED, _router.Router, "_follow", always("catalogue")),
    "chunks are not looked at": Fault(
        request,
        b"\0POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        _plain,
        "_NOT_PLAIN",
        frozenset(),
    ),
    "a Host is not looked at": Fault(
        request, b"\0GET / HTTP/1.1\r\nHost: a b\r\n\r\n", _plain, "HOST", re.compile(b".*")
    ),
    "the end of a connection is not looked at": Fault(
        request, b"\0GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", _plain, "_KEPT", ([b"close"],)
    ),
    "the quick channel alone answers nothing": Fault(
        request, b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n", _quick.QuickChannel, "write_at_once", unchanged
    ),
    "a page is taken for the service itself": Fault(
        query,
        b"?url=http://localhost:3000/x&origin=http://localhost:8080",
        CompiledPolicy,
        "decide",
        for_itself,
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_target_notices(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that passes on an input fails on it as soon as something is broken."""
    fault.target.check(fault.data)
    monkeypatch.setattr(fault.owner, fault.name, fault.broken)
    with pytest.raises((AssertionError, LookupError, ValueError, RecursionError)):
        fault.target.check(fault.data)


@pytest.fixture
def finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for what a run finds; there are two more targets; one fails."""
    # No packages, like that of the targets: the modules of both are those of one namespace.
    modules, directory = tmp_path / "more" / "fuzz", tmp_path / "finds"
    modules.mkdir(parents=True)
    directory.mkdir()
    (modules / "good.py").write_text("def check(data):\n    pass\n")
    (modules / "bad.py").write_text("def check(data):\n    assert data[:1] != b'!', 'a finding'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "more"))
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


def ran(*arguments: str) -> tuple[int, str]:
    """Run targets as people do; give the status and what is printed.

    A process counts the memory of the one that started it towards its own, and that of the tests may be large.
    """
    command = [sys.executable, "fuzz/run.py", *arguments]
    done = subprocess.run(command, cwd=run.ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


needs_atheris = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="there is no wheel of atheris")


@pytest.mark.slow
@needs_atheris
def test_run_of_a_good_target(finds: Path) -> None:
    """A run without a finding is a line of output and the status 0, and leaves nothing behind."""
    status, printed = ran("--seconds", "1", "good")
    assert status == 0, printed
    assert re.fullmatch(r"good: [1-9][0-9]* executions, no finding\n", printed)
    assert list(finds.iterdir()) == []


@needs_atheris
@pytest.mark.usefixtures("finds")
@pytest.mark.parametrize("seconds", ["20", "0"])
def test_run_of_a_bad_target(seconds: str) -> None:
    """A run with a finding ends at it, shows the traceback, the file with the input and its Base64; the status is 1."""
    status, printed = ran("--seconds", seconds, "bad")
    first, *log, path, encoded = printed.splitlines()
    assert status == 1
    assert re.fullmatch(r"bad: [0-9]+ executions, failed", first)
    assert "AssertionError: a finding" in log
    assert base64.b64decode(encoded)[:1] == b"!"
    assert Path(path).read_bytes() == base64.b64decode(encoded)


@pytest.mark.slow
@needs_atheris
@pytest.mark.usefixtures("finds")
def test_run_of_a_target_that_does_not_start() -> None:
    """A target that can't be imported is a failure, not one without a finding."""
    status, printed = ran("--seconds", "1", "missing", "good")
    assert status == 1
    assert "No module named 'fuzz.missing'" in printed


def test_run_without_atheris(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no atheris, nothing is run, and that is said."""
    monkeypatch.setattr(importlib.util, "find_spec", always(None))
    assert run.main([]) == 0
    assert capsys.readouterr().err.startswith("Not fuzzed: ")
