"""The judges of comparisons find faults: each of these, planted into the comparison, makes them fail."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from tests.algebra import test_brute_force, test_many_policies, test_urls
from tests.algebra.cases import CASES

# The module, what stands there, and what is planted in its place.
FAULTS: tuple[tuple[str, str, str], ...] = (
    ("_places", 'yield f"{fresh}.{fresh}.{suffix}"', 'yield f"{fresh}.{suffix}"'),
    ("_places", "    yield from addresses(extents)\n", ""),
    ("_places", "    yield NULL\n", ""),
    ("_places", "    yield FILE\n", ""),
    ("_extents", "starts.update((entry.low, entry.high + 1))", "starts.update((entry.low, entry.high))"),
    ("_extents", "starts.update((entry.low, entry.high + 1))", "starts.update((entry.high + 1,))"),
    ("_extents", "            yield from self._any_label.get(suffix, ())\n", ""),
    ("_extents", "yield from self.any_host\n", "yield from ()\n"),
    ("_addresses", "*(last + 1 for _, _, last in ranges)", "*()"),
    ("_effects", "if any(later > earlier", "if all(later > earlier"),
    ("_effects", "if before.status != after.status:", "if False:"),
    ("_effects", "if ages[0] != ages[1]:", "if False:"),
    ("_effects", "if credentials[0] != credentials[1]:", "if credentials[1]:"),
    ("_effects", "if less := _beyond(*reversed(exposed)):", "if less := _beyond(*exposed):"),
    ("_effects", '"header-not-allowed": "request-header"', '"header-not-allowed": "method"'),
    ("_effects", 'if before.kind != "preflight":', 'if before.kind == "preflight":'),
    ("_questions", "methods.append(_fresh(", "0 and methods.append(_fresh("),
    ("_questions", "    yield from asked\n", ""),
    ("_questions", "names[prefix + char] = None", "pass"),
    ("_questions", "[*sorted(exact), *prefixes]", "[*prefixes]"),
    ("_policies", " or len({*map(_frame, self._sides)}) > 1", ""),
    (
        "_policies",
        "if len(both[entry.rule, entry.pattern]) == 1}",
        "if len(both[entry.rule, entry.pattern]) == 1 and entry.side}",
    ),
    (
        "_policies",
        "        yield from questions(structs.replace(self._base, origins=()), [*self._rules[0], *self._rules[1]])\n",
        "",
    ),
    (
        "_policies",
        "            yield from guard_queries(self._base, self._hosts.values(), self._samples.values())\n",
        "            yield from ()\n",
    ),
    ("_policies", "return [*asked, *plain, *(", "return [*asked, *("),
    ("_where", "return [None, _UNBOUND, *urls]", "return [None, _UNBOUND]"),
    ("_where", "return [None, _UNBOUND, *urls]", "return urls[:]"),
    ("_guards", "*((host,) for host in hosts_listed)", "*()"),
    ("_authorities", "return [*sorted(ports), self._fresh_port]", "return [*sorted(ports)]"),
    ("_labels", "if end.endswith(behind):", "if end == behind:"),
    (
        "_labels",
        "for length in range(len(before) + 1):\n            for end",
        "for length in [len(before)]:\n            for end",
    ),
    ("_walk", "self._needs_uncovered = classes != uncovered", "self._needs_uncovered = False"),
    ("_walk", "if is_dead or host in region.hosts or region.is_whole or self._is_alive", "if self._is_alive"),
    ("_walk", "yield from ipv4_hosts(", "yield from () and ipv4_hosts("),
    ("_walk", "globs = tree.globs(suffix).step(globs, char)", "globs = ()"),
    ("_walk", "return self._tells_cleartext and is_cleartext(scheme, host)", "return False"),
    ("_walk", "[_LOOPBACK] * tells_cleartext", "[]"),
    ("_walk", "self._matched.setdefault(origin.scheme, set()).add(origin.host)", "pass"),
    ("_walk", "if scheme not in named)", 'if scheme not in named and scheme in ("https", "http"))'),
    ("_policies", "if self._tells_cleartext and len({*map(_cleartext, self._sides)}) > 1:", "if False:"),
)
OF_URLS: tuple[tuple[str, str, str], ...] = (
    ("_authorities", "for scheme, default in _DEFAULTS.items():", 'for scheme, default in [("https", "443")]:'),
    ("_authorities", "for each in hosts_for(host) for port", "for each in [host] for port"),
    ("_authorities", 'yield from (f"{self._fresh}.{suffix}", ', "yield from ("),
    ("_paths", "if every or ANY in found or state.with_endings:", "if every:"),
    ("_paths", '            yield Path(key, path or "/")\n', "            pass\n"),
    ("_paths", "            found[self._fresh + ending] = None\n", "            pass\n"),
    ("_paths", '        yield state, self._step(state, "."), "."\n', ""),
    ("_paths", "yield after, self._step(state, odd), odd\n", "pass\n"),
    ("_paths", 'yield self._step(after, ".."), state, f"{segment}/.."', "pass"),
    ("_paths", 'yield _ended(after), self._step(state, f"{segment}%3F"), f"{segment}%3F"', "pass"),
    ("_paths", "                for segment in self._after(one, other):\n", "                for segment in ():\n"),
    ("_where", "if len(sites) == 1:", "if False:"),
    ("_where", "if value is not None and isinstance(entry.pattern, BoundHost):", "if False:"),
    ("_where", "chain(*(self._by_value.get(each, ()) for each in wanted), self._made_for(wanted))", "()"),
    ("_where", ", self._made_for(wanted))", ")"),
    ("_where", "if kind not in asked and site.origin != origin:", "if kind not in asked:"),
    ("_where", "return [*self._sites][:1]", "return []"),
    ("_urls", "return kind._replace(is_listed=(lists_host(answers[0]), lists_host(answers[1])))", "return kind"),
    ("_urls", "authorities_of(policies) | guarded_by(policies)", "authorities_of(policies)"),
)
"""The same, of what finds out which policies URLs find."""
URLS = (58, 225, 262, 371, *range(40))
"""Edits of matches that are tried for each of these."""
MANY: tuple[int, ...] = (0, 4, 11, 18, 23)
"""Edits of several policies."""


@contextmanager
def planted(name: str, old: str, new: str) -> Iterator[None]:
    """Run with another text in the place of one in the source of a module of the comparison."""
    module = importlib.import_module(f"cors_service.algebra.{name}")
    source = inspect.getsource(module)
    assert source.count(old) == 1, (name, old)
    before = dict(vars(module))
    exec(compile(source.replace(old, new), module.__file__ or name, "exec"), vars(module))
    after = dict(vars(module))
    _replace(before, after)
    try:
        yield
    finally:
        vars(module).update(before)
        _replace(after, before)


def _replace(before: dict[str, object], after: dict[str, object]) -> None:
    """Have all other modules of the comparison use what a module now has."""
    modules: list[ModuleType] = [each for name, each in sys.modules.items() if name.startswith("cors_service.algebra")]
    for module in modules:
        for key, value in list(vars(module).items()):
            if key in before and value is before[key] and key in after and value is not after[key]:
                setattr(module, key, after[key])


_WRONG = AssertionError, StopIteration, KeyError, IndexError


@pytest.mark.slow
@pytest.mark.parametrize(("module", "old", "new"), FAULTS)
def test_each_is_found(module: str, old: str, new: str) -> None:
    """A fault is found by the edits by hand."""
    with planted(module, old, new), pytest.raises(_WRONG):
        judge_cases()


@pytest.mark.slow
@pytest.mark.parametrize(("module", "old", "new"), OF_URLS)
def test_each_of_urls_is_found(module: str, old: str, new: str) -> None:
    """A fault is found by the first edits of matches, or of several policies."""
    with planted(module, old, new), pytest.raises(_WRONG):
        judge_urls()


def judge_cases() -> None:
    """Judge what finds a fault of two policies."""
    for name in CASES:
        test_brute_force.judge_case(name)


def judge_urls() -> None:
    """Judge what finds a fault of what URLs find."""
    for name in test_many_policies.BY_HAND:
        test_many_policies.judge_case(name)
    for seed in MANY:
        test_many_policies.judge(seed)
    for seed in URLS:
        test_urls.judge(seed)
