"""Tests of the memory in which processes count."""

from __future__ import annotations

from cors_service.observe.table import MOST_SERIES, Table
from tests.observe.counting import shared


def test_one_reads_what_another_counts() -> None:
    """Keys and counts that one process writes are those that another reads, at any time."""
    with shared(rows=4) as (writer, reader):
        places = [writer.series.add(key) for key in (b"one", b"", b"three")]
        assert places == [0, 1, 2]
        writer.counts[2] += 7
        assert list(reader.series.keys()) == [b"one", b"", b"three"]
        assert list(reader.series.keys(2)) == [b"three"]
        assert reader.series.counts() == [0, 0, 7]


def test_rows_and_series_have_places_of_their_own() -> None:
    """No two keys of the three parts share a place."""
    table = Table(rows=2)
    places = [table.series.add(b"s"), table.rows(0).add(b"a"), table.rows(0).add(b"b"), table.rows(1).add(b"c")]
    assert places == [0, MOST_SERIES, MOST_SERIES + 1, MOST_SERIES + 2]
    table.close()


def test_there_is_an_end_to_places() -> None:
    """A part that is full takes no key more, be it for want of places or of bytes for keys."""
    table = Table(rows=2)
    rows = table.rows(0)
    assert [rows.add(b"a"), rows.add(b"b"), rows.add(b"c")] == [MOST_SERIES, MOST_SERIES + 1, None]
    rows.clear()
    assert rows.add(bytes(1000)) is None
    assert list(rows.keys()) == []
    table.close()


def test_epochs_wait_for_the_reader() -> None:
    """The half of the epoch before is used again only when somebody has said that it was read to its end."""
    table = Table(rows=2)
    table.rows(0).add(b"a")
    assert table.begin_epoch() is table.rows(1)
    assert (table.epoch, len(table.rows(0)), len(table.rows(1))) == (1, 1, 0)
    assert table.begin_epoch() is None
    table.has_read(1)
    assert table.begin_epoch() is table.rows(0)
    assert (table.epoch, len(table.rows(2))) == (2, 0)
    table.close()


def test_what_is_cleared_begins_at_nothing() -> None:
    """A place that is used again counts from nothing."""
    table = Table(rows=2)
    rows = table.rows(0)
    place = rows.add(b"a")
    assert place is not None
    table.counts[place] += 3
    rows.clear()
    assert rows.add(b"b") == place
    assert rows.counts() == [0]
    table.close()
