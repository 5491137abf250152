"""What is written of a fleet that was proved."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.e2e.stores.scale import Scale
from tests.fleet.report import DOCUMENT, PLOT, Found, is_wrong, text_of, write
from tests.fleet.run import Outcome, Part


def found(store: str, *, wider: int = 0, faults: int = 3) -> Found:
    """Something that was found."""
    outcome = Outcome(
        store=store,
        calm=Part([0.01, 0.02, 0.05], [0.001, 0.002]),
        faulty=Part([0.01, 2.5], [0.001, 0.02]),
        changes=1201,
        edits=9000,
        attempts=1210,
        confirmed=30,
        answers=123456,
        faults=Counter({"replica killed and restarted": faults}),
        wrong=Counter(wider=wider),
        examples=[],
    )
    scale = Scale(100_000, written=3.0, start=8.25, first=12.0, in_force=[0.1, 0.2, 0.3])
    return Found(outcome, scale if store == "PostgreSQL" else None)


def test_table() -> None:
    """Each row has a cell for each store, and each target says whether it was reached."""
    text = text_of([found("PostgreSQL"), found("etcd", wider=2)])
    assert "| **answers wider than their revision** | **0** | **2** |" in text
    assert "| written to enforced everywhere, with faults: p99 | 2.5 s | 2.5 s |" in text
    assert "| 100,000 policies, from a start to the first answer | 8.2 s | - |" in text
    assert "* reached: PostgreSQL: written to enforced everywhere, p99, without faults: 0.05 s, wanted ≤ 1 s" in text
    assert "* NOT REACHED: etcd: decisions, p99.9, with faults: 20 ms, wanted ≤ 10 ms" in text


def test_what_must_never_be() -> None:
    """One answer that is wider is enough to fail."""
    assert not is_wrong([found("PostgreSQL"), found("etcd")])
    assert is_wrong([found("PostgreSQL"), found("etcd", wider=1)])


def test_document(tmp_path: Path) -> None:
    """The table takes the place of the one before, in the page, and the plot is beside it."""
    page = tmp_path / "fleet.md"
    page.write_text(DOCUMENT.read_text(encoding="utf-8"), encoding="utf-8")
    write([found("PostgreSQL"), found("etcd")], page)
    once = page.read_text(encoding="utf-8")
    assert "| changes | 1,201 | 1,201 |" in once
    plot = tmp_path / "fleet" / PLOT
    assert {"PostgreSQL, without faults", "etcd, with faults"} <= {*ET.parse(plot).getroot().itertext()}
    write([found("PostgreSQL"), found("etcd")], page)
    assert page.read_text(encoding="utf-8") == once
