"""What the lines say, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cors_service.grammar.mistakes import cut, plural
from cors_service.insights._tables import WIDTH, Column, duration, number, plain, share, table
from cors_service.insights.findings import Findings
from cors_service.insights.preflights import NONE_KNOWN, Choice, RuleCost, is_long
from cors_service.insights.refusals import Refused
from cors_service.insights.unused import UnaskedGrant, UnknownUse, Unused
from cors_service.policy.notes import LONG_MAX_AGE

_SHOWN: Final = 10
_ORIGINS: Final = 3
_FEW: Final = 5
"""So few origins are better listed than covered by a wildcard."""
_COUNT: Final = Column("count", 15, right=True)


def in_text(findings: Findings) -> str:
    """Write findings for people: what came, what was refused, and what follows for the policies."""
    if findings.begin is None:
        return "The log has no lines about decisions."
    parts: list[Iterable[str]] = [_head(findings), _traffic(findings), _policies(findings)]
    if findings.undecided:
        parts.append(_undecided(findings))
    parts.append(_refusals(findings))
    if findings.unused is None:
        parts.append(["With --policies PATH, you also see what is never used, and what preflights cost."])
    else:
        parts += [_preflights(findings), _wildcards(findings), _unused(findings, findings.unused)]
    return "\n\n".join("\n".join(part) for part in parts)


def _head(findings: Findings) -> Iterator[str]:
    revisions = findings.revisions_count
    at_least = "at least " if findings.revisions_missing else ""
    yield (
        f"{number(findings.decisions)} {plural(findings.decisions, 'decision')} in {duration(findings.seconds)}, "
        f"by {findings.instances} {plural(findings.instances, 'service')} and "
        f"{at_least}{revisions} {plural(revisions, 'revision')} of the policies"
    )
    yield f"  from {findings.begin} to {findings.end}"
    if findings.other:
        what = share(findings.other, findings.decisions)
        yield f"  {number(findings.other)} ({what}) were of too many kinds to be told apart: little is known of them."
    if findings.masked:
        yield f"  {number(findings.masked)} have a masked origin: which pattern covers it is not known."
    if findings.unplaced:
        yield f"  {number(findings.unplaced)} were made by other revisions: which rule they belong to is not known."


def _traffic(findings: Findings) -> Iterator[str]:
    yield "Requests"
    rows = []
    for kind in dict.fromkeys(one.kind for one in findings.kinds):
        total, refused = findings.count_of(kind), findings.count_of(kind, allowed=False)
        rows.append((kind, number(total), share(total, findings.decisions), number(refused), share(refused, total)))
    columns = Column("kind", 20), _COUNT, Column("of all", 8, right=True), Column("refused", 15, right=True)
    yield from table((*columns, Column("of them", 8, right=True)), rows)
    if findings.preflight_share is not None:
        yield f"  {100 * findings.preflight_share:.1f} % of the requests across origins are preflights."


def _policies(findings: Findings) -> Iterator[str]:
    yield "Policies"
    rows = [(one.name or "(none found)", number(one.count), _day(one.last)) for one in findings.policies[:_SHOWN]]
    yield from table((Column("policy", 60), _COUNT, Column("last", 10)), rows)
    yield from _more(findings.policies_count, findings.policies, missing=findings.policies_missing)


def _undecided(findings: Findings) -> Iterator[str]:
    yield "Could not be decided"
    rows = [(number(one.count), one.reason, _day(one.last)) for one in findings.undecided[:_SHOWN]]
    yield from table((_COUNT, Column("why", 60), Column("last", 10)), rows)
    yield from _more(findings.undecided_count, findings.undecided, missing=findings.undecided_missing)
    yield "  The log of the service names the policy, or says what is wrong with the URL."


def _refusals(findings: Findings) -> Iterator[str]:
    if not findings.refusals:
        yield "Nothing was refused."
        return
    yield "Most refused"
    columns = _COUNT, Column("origin", 60), Column("policy", 30), Column("why", 40)
    shown = findings.refusals[:_SHOWN]
    head, *lines = table(columns, [_refused(one) for one in shown])
    yield head
    for line, one in zip(lines, shown, strict=True):
        yield line
        if one.now == "allowed":
            yield "    The policies allow it today."
        elif one.hint:
            yield f"    {cut(plain(one.hint), WIDTH - 4)}"
    yield from _more(findings.refusals_count, findings.refusals, missing=findings.refusals_missing)
    if findings.refusals_missing:
        yield f"  There were so many that counts may be too small, by at most {number(findings.refusals_missing)}."
    if any(one.reason.startswith("header") for one in shown):
        yield "  The log does not hold the names of headers: the page's console names the refused one."


def _refused(one: Refused) -> Sequence[str]:
    why = f"{one.reason} ({one.method})" if one.method else one.reason
    return number(one.count), one.origin or "(none)", one.policy or "(none found)", why


def _preflights(findings: Findings) -> Iterator[str]:
    if not findings.preflights:
        yield NONE_KNOWN
        return
    yield "Preflights now, and the least number with a longer max_age, if everybody used one browser"
    for cost in findings.preflights[:_FEW]:
        yield (
            f"  policy {cut(cost.policy, 30)}, rule {cost.rule}: {number(cost.preflights)} "
            f"{plural(cost.preflights, 'preflight')} for {number(cost.requests)} {plural(cost.requests, 'request')}"
        )
        yield from table(_COST_COLUMNS, [_choice(cost, choice) for choice in cost.choices])
        if any(is_long(cost, choice) for choice in cost.choices):
            long = duration(LONG_MAX_AGE)
            yield f"    It allows cookies: think twice before a grant lives on for more than {long}."
    yield from _more(findings.preflights_count, findings.preflights, _FEW)


_COST_COLUMNS: Final = (
    Column("  max_age", 12),
    Column("Chromium", 14, right=True),
    Column("Firefox", 14, right=True),
    Column("WebKit", 14, right=True),
    Column("a revoked grant lives on for", 36),
)


def _choice(cost: RuleCost, choice: Choice) -> Sequence[str]:
    is_now = choice is cost.choices[0]
    name = f"{'none' if choice.max_age is None else choice.max_age}{' (now)' if is_now else ''}"
    counts = [f"{'' if is_now else '>= '}{number(one.preflights)}" for one in choice.browsers]
    times = list(dict.fromkeys(duration(one.seconds) for one in choice.browsers))
    return (
        f"  {name}",
        *counts,
        times[0] if len(times) == 1 else ", ".join(duration(one.seconds) for one in choice.browsers),
    )


def _wildcards(findings: Findings) -> Iterator[str]:
    if not findings.wildcards:
        is_known = not (findings.other or findings.masked or findings.unplaced)
        yield "No wildcard served anybody." if is_known else "It is not known whom wildcards served."
        return
    reaches_back = findings.unused is not None and findings.unused.complete
    yield "Origins that wildcards served"
    for one in findings.wildcards[:_SHOWN]:
        where = f"policy {cut(one.policy, 30)}, rule {one.rule}"
        yield f"  {cut(plain(one.pattern), 50)} ({where}): {number(one.count)} {plural(one.count, 'decision')}"
        for origin in one.origins[:_ORIGINS]:
            yield f"    {number(origin.count):>12}  {cut(plain(origin.origin), WIDTH - 18)}"
        if one.origins_count > _ORIGINS:
            more = "at least " if not one.complete else ""
            yield f"    {'':>12}  and {more}{number(one.origins_count - _ORIGINS)} more"
        elif not one.complete:
            yield f"    {'':>12}  Others may have come, too."
        elif one.pattern != "*" and reaches_back:
            yield f"    {'':>12}  That is all: a list would do."
    yield from _more(findings.wildcards_count, findings.wildcards)


def _unused(findings: Findings, found: Unused) -> Iterator[str]:
    yield f"Never used in {duration(findings.seconds)}"
    if findings.other:
        yield "  Decisions that are not told apart may have used some of this."
    if not found.complete:
        yield f"  The lines do not reach back {found.days} days: what is used once a quarter may be missing."
    if found.unknown:
        what = "not listed, because it is not known which origins came"
        yield from _list(what, list(map(_unknown, found.unknown)), found.unknown_count)
    yield from _list("policies", [cut(name, 60) for name in found.policies], found.policies_count)
    idle = [f"{cut(one.policy, 30)}, rule {one.rule}: {plain(one.words)}" for one in found.rules]
    yield from _list("rules", idle, found.rules_count)
    yield from _list("origin sets", [f"@{name}" for name in found.sets], found.sets_count)
    origins = [
        f"{plain(one.pattern)} ({cut(one.policy, 30)}, rule {one.rule}{f'; last {_day(one.last)}' if one.last else ''})"
        for one in found.origins
    ]
    yield from _list(f"origins and patterns, not seen for {found.days} days", origins, found.origins_count)
    yield from _list("grants that nobody asked for", list(map(_grant, found.grants)), found.grants_count)
    if found.headers_unknown:
        rules = f"{number(found.headers_unknown)} {plural(found.headers_unknown, 'rule')}"
        yield f"  Lines hold no header names: for {rules}, it is not known which headers nobody asks for."


def _unknown(one: UnknownUse) -> str:
    decisions = f"{number(one.count)} {plural(one.count, 'decision')}"
    if one.rule is None:
        return f"{cut(one.policy, 20)}: {decisions} of other revisions, so it is not known which rule they belong to"
    return f"{cut(one.policy, 20)}, rule {one.rule}: {decisions} about masked origins"


def _grant(one: UnaskedGrant) -> str:
    parts = []
    if one.methods:
        parts.append(f"methods {', '.join(one.methods)}")
    if one.headers:
        parts.append(f"headers {', '.join(one.headers)}")
    if one.any_method:
        parts.insert(0, f"every method but {', '.join(one.asked)}" if one.asked else "every method")
    return f"{cut(one.policy, 30)}, rule {one.rule}: {'; '.join(parts)}"


def _list(what: str, items: Sequence[str], count: int) -> Iterator[str]:
    if not count:
        yield f"  {what}: none"
        return
    yield f"  {what}: {number(count)}"
    yield from (f"    {cut(item, WIDTH - 4)}" for item in items[:_SHOWN])
    yield from (f"  {line}" for line in _more(count, items))


def _more(count: int, listed: Sequence[object], shown: int = _SHOWN, *, missing: int = 0) -> Iterator[str]:
    """Say how much of a list is not shown.

    Args:
        count: How long the list is.
        listed: What findings, and so the JSON, have of it.
        shown: How much is shown.
        missing: Is not 0 if the list may be longer.
    """
    if count > shown:
        at_least = "at least " if missing else ""
        where = "see --json" if len(listed) == count and not missing else f"--json has the first {number(len(listed))}"
        yield f"  and {at_least}{number(count - min(shown, len(listed)))} more: {where}"


def _day(instant: str) -> str:
    return instant[:10]
