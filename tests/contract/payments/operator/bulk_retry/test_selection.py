"""Which orders a bulk retry is for, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from breakwall.payments.ledger.batches import Position
from breakwall.payments.operator.bulk_retry.selection import Selection, batch_query
from breakwall.payments.orders import Order, OrderStatus
from tests.contract.payments.operator.bulk_retry.bulk_site import TIMED_OUT, run, states
from tests.contract.people import crowd, dead, explain, in_review, interventions_of
from tests.contract.site import Site


class TestASelection:
    def test_is_of_one_state_and_leaves_the_others_alone(self, site: Site) -> None:
        dead(site, "a", "b")
        in_review(site, "c")
        assert run(site) == 2
        assert states(site, "a", "b", "c") == [OrderStatus.QUEUED, OrderStatus.QUEUED, OrderStatus.REVIEW]

    def test_may_be_of_several_states(self, site: Site) -> None:
        dead(site, "a")
        in_review(site, "b")
        assert run(site, Selection((OrderStatus.DEAD, OrderStatus.REVIEW))) == 2

    def test_may_be_of_one_currency(self, site: Site) -> None:
        dead(site, "a")
        site.producer.enqueue([Order("u1", 5, "USD", "b")])
        chosen = Selection((OrderStatus.QUEUED, OrderStatus.DEAD), currency="USD")
        assert run(site, chosen) == 1
        assert len(interventions_of(site, "b")) == 1

    def test_may_be_of_an_age(self, site: Site) -> None:
        dead(site, "old")
        site.advance(3600)
        dead(site, "new")
        assert run(site, Selection((OrderStatus.DEAD,), older_than=3600)) == 1
        assert states(site, "old", "new") == [OrderStatus.QUEUED, OrderStatus.DEAD]

    def test_may_be_of_an_error_whatever_its_case(self, site: Site) -> None:
        dead(site, "a")
        dead(site, "b", answer=TIMED_OUT)
        assert run(site, Selection((OrderStatus.DEAD,), error_contains="too long")) == 1
        assert states(site, "a", "b") == [OrderStatus.DEAD, OrderStatus.QUEUED]

    @pytest.mark.parametrize(("wanted", "number"), [("50%", 1), ("0% of", 1), ("5%took", 0), ("5_%", 0)])
    def test_takes_the_text_of_an_error_as_it_is(self, site: Site, wanted: str, number: int) -> None:
        dead(site, answer=TIMED_OUT)
        assert run(site, Selection((OrderStatus.DEAD,), error_contains=wanted)) == number

    @pytest.mark.parametrize("status", [OrderStatus.PAID, OrderStatus.IN_FLIGHT, OrderStatus.CANCELLED])
    def test_is_never_of_a_state_that_nothing_can_be_sent_from(self, status: OrderStatus) -> None:
        with pytest.raises(ValueError, match="statuses"):
            Selection((status,))

    def test_is_the_same_after_it_was_stored(self) -> None:
        chosen = Selection(
            (OrderStatus.DEAD, OrderStatus.QUEUED), "KRW", 1.5, 'a "quoted" text', rejected=True
        )
        assert Selection.from_json(chosen.as_json()) == chosen


@pytest.mark.both_databases
class TestTheQuery:
    def test_reads_the_index_and_not_the_table(self, site: Site) -> None:
        site.database.write(crowd, name="test")
        selection = Selection((OrderStatus.DEAD,), error_contains="gone")
        until = datetime(2026, 12, 1, tzinfo=UTC)
        for after in (None, Position(datetime(2026, 1, 2, tzinfo=UTC), "0" * 32)):
            query = batch_query(selection, OrderStatus.DEAD, until=until, asked_at=until, after=after)
            plan = site.database.read(lambda connection, query=query: explain(connection, query))  # type: ignore[misc]
            assert "ix_orders_status_created" in plan
            assert "Seq Scan" not in plan
            assert "SCAN orders" not in plan
