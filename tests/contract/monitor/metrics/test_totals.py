"""The sums behind the counters: they only grow, whoever counts and however often."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, event, select, text

from breakwall.monitor.metrics import totals
from breakwall.monitor.metrics.totals import COMMITTED, OrderTotals, TotalsReader
from breakwall.payments.db.operator_tables import order_totals
from breakwall.payments.db.schema import attempts, orders, outcomes
from breakwall.payments.interventions import Author
from tests.contract.site import Site, order
from tests.gateway import DECLINED, DOWN, PAID


def reader_of(site: Site) -> TotalsReader:
    """One that is never short of time, as in another process."""
    return TotalsReader(site.database, site.clock, monotonic=lambda: 0.0)


@pytest.fixture
def reader(site: Site) -> TotalsReader:
    """One that has begun to count already."""
    reader = reader_of(site)
    assert reader.read() is not None
    return reader


def read(reader: TotalsReader) -> OrderTotals:
    found = reader.read()
    assert found is not None
    return found


def pay(site: Site, *keys: str) -> None:
    for key in keys:
        site.gateway.answers.append(PAID if key.startswith("paid") else DECLINED)
        site.producer.place(order(key))


def test_every_end_is_counted_with_its_money_and_its_attempts(site: Site, reader: TotalsReader) -> None:
    site.know_a_charge("paid-0")
    pay(site, "paid-1", "no-1")
    site.advance(COMMITTED)
    found = read(reader)
    assert found.numbers["accepted",] == 3
    assert found.of("ended") == {("declined",): 1, ("paid",): 2}
    assert found.of("money") == {("declined", "KRW"): 10_000, ("paid", "KRW"): 20_000}
    assert found.of("attempts") == {("producer", "declined"): 1, ("producer", "succeeded"): 2}


def test_a_retried_order_brings_the_attempts_of_both_sides(site: Site, reader: TotalsReader) -> None:
    site.gateway.answers.extend([DOWN, PAID])
    placed = site.producer.place(order())
    site.advance(60)
    site.retrier.run(placed.order_id)
    site.advance(COMMITTED)
    found = read(reader)
    assert found.numbers["retries",] == 1
    assert found.of("attempts") == {("producer", "not_sent"): 1, ("worker", "succeeded"): 1}


def test_what_may_not_be_committed_yet_is_counted_later(site: Site, reader: TotalsReader) -> None:
    pay(site, "no-1")
    site.advance(COMMITTED - 1)
    assert read(reader).of("ended") == {}
    site.advance(1)
    assert read(reader).of("ended") == {("declined",): 1}


def test_nothing_is_counted_twice_by_a_second_process_or_after_a_restart(
    site: Site, reader: TotalsReader
) -> None:
    pay(site, "no-1", "no-2")
    site.advance(COMMITTED)
    first = read(reader)
    for _ in range(2):
        assert read(reader_of(site)).numbers == first.numbers
    site.advance(3600)
    assert read(reader_of(site)).numbers == first.numbers


def test_of_two_that_count_the_same_time_one_is_stored(site: Site, reader: TotalsReader) -> None:
    pay(site, "no-1")
    site.advance(COMMITTED)
    before = site.database.read(totals._stored)
    assert before is not None
    step = site.database.read(lambda connection: reader._step(before, 60.0, connection))
    assert step is not None
    stored = reader._save(before, step)
    assert reader._save(before, OrderTotals(step.until, step.numbers + step.numbers)) == stored
    assert read(reader).of("ended") == {("declined",): 1}


def test_pruned_orders_stay_counted(site: Site, reader: TotalsReader) -> None:
    pay(site, "no-1")
    site.advance(COMMITTED)
    before = read(reader)
    for table in (outcomes, attempts, orders):
        site.database.write(lambda connection, table=table: connection.execute(delete(table)))  # type: ignore[misc]
    assert read(reader).numbers == before.numbers


def test_an_order_that_a_person_retried_brings_its_first_attempts_once(
    site: Site, reader: TotalsReader
) -> None:
    site.gateway.answers.extend([DOWN] * 4)
    placed = site.producer.place(order())
    for _ in range(3):
        site.advance(90)
        site.breaker_forgets()
        site.retrier.run(placed.order_id)
    assert site.get().status == "dead"
    site.advance(COMMITTED)
    assert read(reader).of("attempts") == {("producer", "not_sent"): 1, ("worker", "not_sent"): 3}
    site.people.retry(placed.order_id, Author("kim", "it is back"))
    site.gateway.answers.append(PAID)
    site.advance(90)
    site.breaker_forgets()
    site.retrier.run(placed.order_id)
    site.advance(COMMITTED)
    found = read(reader)
    assert found.of("ended") == {("dead",): 1, ("paid",): 1}
    assert found.of("attempts") == {
        ("producer", "not_sent"): 1,
        ("worker", "not_sent"): 3,
        ("worker", "succeeded"): 1,
    }
    assert found.numbers["retries",] == 4


def test_while_nothing_happens_nothing_is_written(site: Site, reader: TotalsReader) -> None:
    site.advance(60)
    written: list[str] = []
    event.listen(
        site.database.engine, "before_cursor_execute", lambda *given: written.append(str(given[2]).split()[0])
    )
    read(reader)
    assert "UPDATE" not in written
    assert "INSERT" not in written


def test_long_after_the_last_scrape_the_rest_is_counted_by_and_by(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = TotalsReader(site.database, site.clock, monotonic=iter(range(10_000)).__next__)
    read(slow)
    for n in range(3):
        pay(site, f"no-{n}")
        site.advance(600)
    assert read(slow).of("ended") == {("declined",): 1}, "the time for one reading is over after a step"
    for _ in range(40):
        read(slow)
    assert read(slow).of("ended") == {("declined",): 3}


def refuse(*_: object, **__: object) -> None:
    """In place of each write: the database is read-only, as a standby is."""
    raise totals.DatabaseUnavailableError("it is read-only")


class Steps:
    """A timer by which each reading has time for one step."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_on_a_read_only_database_no_counter_falls(
    site: Site, reader: TotalsReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        pay(site, f"no-{n}")
        site.advance(120)
    short = TotalsReader(site.database, site.clock, monotonic=Steps())
    seen = []
    with monkeypatch.context() as standby:
        standby.setattr(type(site.database), "write", refuse)
        for _ in range(8):
            seen.append(read(short).numbers["ended", "declined"])
    assert seen == sorted(seen)
    assert seen[-1] == 3, "each reading goes on where the last one stopped"
    assert read(short).of("ended") == {("declined",): 3}, "and it is stored as soon as it can be"
    assert read(reader_of(site)).of("ended") == {("declined",): 3}


def test_what_could_not_be_stored_is_not_counted_twice_when_another_process_has_stored_it(
    site: Site, reader: TotalsReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(site, "no-1")
    site.advance(COMMITTED)
    with monkeypatch.context() as standby:
        standby.setattr(type(site.database), "write", refuse)
        assert read(reader).of("ended") == {("declined",): 1}
    assert read(reader_of(site)).of("ended") == {("declined",): 1}
    pay(site, "no-2")
    site.advance(COMMITTED)
    assert read(reader).of("ended") == {("declined",): 2}


def test_a_read_only_database_without_sums_has_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as standby:
        standby.setattr(type(site.database), "write", refuse)
        assert reader_of(site).read() is None


def test_after_the_clock_was_set_back_what_ends_is_counted_at_once(site: Site, reader: TotalsReader) -> None:
    pay(site, "no-1")
    site.advance(COMMITTED)
    before = read(reader)
    site.clock.advance(-3600)
    assert read(reader).numbers == before.numbers, "no counter falls"
    pay(site, "no-2")
    site.advance(COMMITTED)
    assert read(reader).of("ended") == {("declined",): 2}


class TestAfterTheClockWasSetBack:
    """What docs/metrics.md says of it. By that clock alone an order's row tells when it has ended."""

    def test_by_less_than_a_change_may_take_each_end_is_counted_once(
        self, site: Site, reader: TotalsReader
    ) -> None:
        pay(site, "no-1")
        site.advance(COMMITTED)
        read(reader)
        site.clock.advance(1 - COMMITTED)
        pay(site, "no-2")
        assert read(reader).of("ended") == {("declined",): 1}
        site.advance(2 * COMMITTED)
        assert read(reader).of("ended") == {("declined",): 2}

    def test_what_had_been_counted_is_counted_once_more_when_the_clock_comes_there_again(
        self, site: Site, reader: TotalsReader
    ) -> None:
        pay(site, "no-1")
        site.advance(COMMITTED)
        read(reader)
        site.clock.advance(-3600)
        assert read(reader).numbers["accepted",] == 1
        site.advance(3599)
        assert read(reader).numbers["accepted",] == 1
        site.advance(1)
        for _ in range(2):
            assert read(reader).numbers["accepted",] == 2
            assert read(reader).of("ended") == {("declined",): 2}
            assert read(reader).of("attempts") == {("producer", "declined"): 2}
            site.advance(3600)

    def test_what_had_not_been_counted_is_counted_once_when_the_clock_comes_there_again(
        self, site: Site, reader: TotalsReader
    ) -> None:
        site.advance(COMMITTED)
        read(reader)
        pay(site, "no-1")
        site.clock.advance(-3600)
        read(reader)
        site.advance(3600 + COMMITTED)
        assert read(reader).of("ended") == {("declined",): 1}

    def test_without_a_reading_before_the_clock_comes_there_again_what_ended_meanwhile_is_missed(
        self, site: Site, reader: TotalsReader
    ) -> None:
        site.advance(3600)
        read(reader)
        site.clock.advance(-3600)
        pay(site, "no-1")
        site.advance(7200)
        pay(site, "no-2")
        site.advance(COMMITTED)
        assert read(reader).of("ended") == {("declined",): 1}


def test_after_a_clock_was_set_back_sums_that_could_not_be_stored_replace_no_higher_ones(
    site: Site, reader: TotalsReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(site, "paid-1")
    site.advance(COMMITTED)
    with monkeypatch.context() as standby:
        standby.setattr(type(site.database), "write", refuse)
        assert read(reader).of("ended") == {("paid",): 1}
    site.clock.advance(-3600)
    other = reader_of(site)
    read(other)
    pay(site, "no-1", "no-2")
    site.advance(COMMITTED)
    assert read(other).of("ended") == {("declined",): 2}
    for one in (reader, other):
        assert read(one).of("ended") == {("declined",): 2, ("paid",): 1}, "no counter falls"
    pay(site, "no-3")
    site.advance(COMMITTED)
    assert read(reader).of("ended") == {("declined",): 3, ("paid",): 1}, "and it counts on at once"


def test_before_revision_0008_there_are_no_sums(site: Site, reader: TotalsReader) -> None:
    site.database.write(lambda connection: connection.execute(text("DROP TABLE order_totals")))
    assert reader.read() is None


def test_one_row_keeps_them(site: Site, reader: TotalsReader) -> None:
    for n in range(3):
        pay(site, f"no-{n}")
        site.advance(COMMITTED)
        read(reader)
    rows = site.database.read(lambda connection: connection.execute(select(order_totals)).all())
    assert len(rows) == 1
