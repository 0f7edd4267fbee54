"""Incidents: recorded once, listed while open, closed once by a person. On both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import insert, select, text

from breakwall.payments.db.schema import incidents
from breakwall.payments.decisions import Decision
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.audit import list_incidents, report_incident
from breakwall.payments.operator.incidents import (
    OPEN,
    IncidentNotFoundError,
    close_incident,
    count_open,
    newest_incidents,
)
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA, explain, interventions_of, poisoned, queued
from tests.contract.site import Site
from tests.gateway import PAID

BERT = Author("bert", "refunded ch_1")


def report(site: Site, order_id: str, detail: str = "charged as ch_1 and as ch_2") -> None:
    site.database.write(
        lambda connection: report_incident(connection, site.clock, order_id, "two_charges", detail)
    )


def newest(site: Site, *, limit: int = 100, closed_too: bool = False) -> list[StoredIncident]:
    return site.database.read(
        lambda connection: newest_incidents(connection, limit=limit, closed_too=closed_too)
    )


def reported(site: Site, *details: str) -> list[int]:
    """The numbers of this many incidents of one order, each a second after the one before."""
    (order_id,) = queued(site)
    for detail in details or ("charged as ch_1 and as ch_2",):
        report(site, order_id, detail)
        site.advance(1)
    return [found.id for found in reversed(newest(site))]


@pytest.fixture
def without_the_net(site: Site) -> Site:
    """A site whose database accepts what earlier versions insert without ON CONFLICT."""
    on = " ON incidents" if site.database.engine.dialect.name == "postgresql" else ""
    site.database.write(
        lambda connection: connection.execute(text(f"DROP TRIGGER incidents_leave_known_out{on}"))
    )
    return site


class TestReporting:
    @pytest.mark.both_databases
    def test_the_same_thing_again_is_nothing(self, without_the_net: Site) -> None:
        site = without_the_net
        (number,) = reported(site)
        first = site.clock.now - timedelta(seconds=1)
        report(site, site.get().id)
        (found,) = newest(site)
        assert (found.id, found.at) == (number, first)

    @pytest.mark.both_databases
    def test_the_same_two_charges_each_time_that_they_are_found_is_one_incident(
        self, without_the_net: Site
    ) -> None:
        site = without_the_net
        late = poisoned(site)
        site.people.resolve_paid("cart-1", "ch_7", ANNA)
        for _ in range(3):
            site.ledger.record(late, PAID, Decision(OrderStatus.PAID))
        assert [found.kind for found in newest(site)] == ["two_charges"]

    def test_a_closed_one_again_does_not_open_it(self, site: Site) -> None:
        (number,) = reported(site)
        close_incident(site.database, number, BERT, clock=site.clock)
        report(site, site.get().id)
        assert newest(site) == []

    def test_another_charge_is_another_incident(self, site: Site) -> None:
        assert len(reported(site, "charged as ch_1 and as ch_2", "charged as ch_1 and as ch_3")) == 2

    def test_the_same_detail_of_another_order_is_another_incident(self, site: Site) -> None:
        for order_id in queued(site, "a", "b"):
            report(site, order_id)
        assert len(newest(site)) == 2


class TestListing:
    def test_has_the_newest_first_and_not_more_than_were_asked_for(self, site: Site) -> None:
        reported(site, "first", "second", "third")
        assert [found.detail for found in newest(site, limit=2)] == ["third", "second"]

    def test_has_closed_ones_only_where_they_are_asked_for(self, site: Site) -> None:
        first, second = reported(site, "first", "second")
        close_incident(site.database, first, BERT, clock=site.clock)
        assert [found.id for found in newest(site)] == [second]
        assert [found.id for found in newest(site, closed_too=True)] == [second, first]

    @pytest.mark.both_databases
    def test_does_not_read_the_closed_ones(self, site: Site) -> None:
        (order_id,) = queued(site)
        closed = {"order_id": order_id, "kind": "two_charges", "closed_at": site.clock.now}
        start = datetime(2026, 1, 1, tzinfo=UTC)
        rows = [
            {**closed, "detail": f"{number}", "at": start + timedelta(seconds=number)}
            for number in range(5000)
        ]
        site.database.write(lambda connection: connection.execute(insert(incidents), rows))
        if site.database.engine.dialect.name == "postgresql":
            # Its autovacuum does so by itself.
            site.database.write(lambda connection: connection.execute(text("ANALYZE incidents")))
        report(site, order_id)
        query = select(incidents.c.detail).where(OPEN).order_by(incidents.c.at.desc(), incidents.c.id.desc())
        plan = site.database.read(lambda connection: explain(connection, query))
        assert "ix_incidents_open" in plan

    def test_of_an_order_includes_its_closed_ones(self, site: Site) -> None:
        (number,) = reported(site)
        closed = close_incident(site.database, number, BERT, clock=site.clock)
        assert list_incidents(site.database, site.get().id) == [closed]


class TestClosing:
    def test_records_who_why_and_when(self, site: Site) -> None:
        (number,) = reported(site)
        site.advance(60)
        closed = close_incident(site.database, number, BERT, clock=site.clock)
        assert (closed.closed_by, closed.close_reason) == ("bert", "refunded ch_1")
        assert closed.closed_at == site.clock.now
        assert newest(site, closed_too=True) == [closed]

    def test_leaves_the_others_open_and_the_order_as_it_is(self, site: Site) -> None:
        first, _ = reported(site, "first", "second")
        before = site.get()
        close_incident(site.database, first, BERT, clock=site.clock)
        assert site.database.read(count_open) == 1
        assert (site.get(), interventions_of(site)) == (before, [])

    def test_what_is_closed_already_is_refused_and_changes_nothing(self, site: Site) -> None:
        (number,) = reported(site)
        closed = close_incident(site.database, number, BERT, clock=site.clock)
        with pytest.raises(RefusedError, match="was closed by bert: refunded ch_1"):
            close_incident(site.database, number, ANNA, clock=site.clock)
        assert newest(site, closed_too=True) == [closed]

    def test_what_is_not_there_is_not_found(self, site: Site) -> None:
        with pytest.raises(IncidentNotFoundError, match="number 7"):
            close_incident(site.database, 7, BERT, clock=site.clock)

    def test_without_a_reason_is_refused(self, site: Site) -> None:
        (number,) = reported(site)
        with pytest.raises(ValueError, match="reason"):
            close_incident(site.database, number, Author("bert"), clock=site.clock)
        assert len(newest(site)) == 1

    def test_of_two_people_who_close_one_only_one_has_closed_it(self, site: Site) -> None:
        (number,) = reported(site)
        together = Barrier(2)

        def closes(author: Author) -> bool:
            together.wait()
            try:
                return close_incident(site.database, number, author).closed_by == author.actor
            except RefusedError:
                return False

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(closes, (ANNA, BERT))) == [False, True]
