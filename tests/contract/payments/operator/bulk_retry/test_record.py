"""Making, reading and aborting bulk retries, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from breakwall.payments.db.errors import SchemaError
from breakwall.payments.db.operator_tables import operator_actions
from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry.record import BulkRetryNotFoundError, OtherBulkRetryError
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.downgrade import downgrade
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.operator.bulk_retry.bulk_site import (
    DEAD,
    bulk_retries,
    create,
    frozen,
    get,
    runner,
    states,
    steps,
)
from tests.contract.people import ANNA, dead, in_review
from tests.contract.site import Site

KEY = "0" * 32


def actions(site: Site) -> list[tuple[Any, ...]]:
    """What was recorded in the audit trail."""
    names = ("action", "subject", "actor", "reason", "result")
    wanted = select(*(operator_actions.c[name] for name in names)).order_by(operator_actions.c.id)
    return site.database.read(lambda connection: [tuple(row) for row in connection.execute(wanted)])


class TestMakingOne:
    def test_retries_nothing_yet_and_says_who_wants_what(self, site: Site) -> None:
        dead(site, "a")
        made = create(site, rate=2.5, limit=7, name="key rotated")
        assert (made.name, made.actor, made.reason) == ("key rotated", "anna", "the service is back")
        assert (made.selection, made.rate, made.order_limit) == (DEAD, 2.5, 7)
        assert (made.state, made.created_at) == ("collecting", site.clock.now)
        assert states(site, "a") == [OrderStatus.DEAD]

    def test_names_it_after_its_reason_and_its_time_where_it_has_no_name(self, site: Site) -> None:
        assert create(site).name == "the service is back, 2026-11-27 00:00:00 UTC"
        long = bulk_retries(site).create(DEAD, Author("anna", "x" * 500))
        assert len(long.name) == 250

    def test_leaves_a_row_in_the_audit_trail(self, site: Site) -> None:
        made = create(site)
        assert actions(site) == [("bulk_retry_create", made.id, "anna", "the service is back", "done")]

    def test_a_second_time_under_one_id_gives_the_first_one(self, site: Site) -> None:
        first = create(site, bulk_id=KEY, name="first")
        site.advance(1)
        second = create(site, bulk_id=KEY, name="second")
        assert (second.id, second.name, second.created_at) == (KEY, "first", first.created_at)
        assert len(actions(site)) == 1

    @pytest.mark.parametrize(
        "other", [{"rate": 2.0}, {"limit": 2}, {"selection": Selection((OrderStatus.REVIEW,))}]
    )
    def test_under_the_id_of_another_one_is_refused(self, site: Site, other: dict[str, Any]) -> None:
        create(site, bulk_id=KEY, rate=1.0, limit=1)
        with pytest.raises(OtherBulkRetryError):
            create(site, **{"bulk_id": KEY, "rate": 1.0, "limit": 1, **other})

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            ({"rate": 0.0}, "rate"),
            ({"rate": 1e-13}, "rate"),
            ({"limit": 0}, "limit"),
            ({"name": "\n"}, "name"),
        ],
    )
    def test_with_a_wrong_argument_is_refused(self, site: Site, wrong: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            create(site, **wrong)

    def test_without_a_reason_is_refused(self, site: Site) -> None:
        with pytest.raises(ValueError, match="reason"):
            bulk_retries(site).create(DEAD, Author("anna"))

    def test_before_the_database_has_its_tables_is_refused_with_the_way_out(self, site: Site) -> None:
        downgrade(site.database.engine)
        with pytest.raises(SchemaError, match="breakwall db upgrade"):
            create(site)
        assert bulk_retries(site).oldest_open() is None


class TestAbortingOne:
    def test_keeps_what_was_retried_and_retries_no_more(self, site: Site, batches_of_two: None) -> None:
        dead(site, *"abcde")
        working = steps(site)
        one = next(now for now in working if now.retried)
        aborted = bulk_retries(site).abort(one.id, Author("bert", "wrong orders"))
        assert (aborted.state, aborted.aborted_by, aborted.abort_reason) == (
            "aborted",
            "bert",
            "wrong orders",
        )
        assert [now.retried for now in working] == [2]
        assert states(site, *"abcde") == [OrderStatus.QUEUED] * 2 + [OrderStatus.DEAD] * 3
        assert actions(site)[1:] == [("bulk_retry_abort", one.id, "bert", "wrong orders", "done")]

    def test_before_all_orders_are_written_down_retries_none(self, site: Site, batches_of_two: None) -> None:
        dead(site, *"abc")
        made = create(site)
        runner(site).run_once()
        bulk_retries(site).abort(made.id, ANNA)
        assert runner(site).run_once() == 5.0
        assert (frozen(site, made), get(site, made).retried) == (["a", "b"], 0)

    def test_that_has_ended_is_refused(self, site: Site) -> None:
        *_, one = steps(site)
        with pytest.raises(RefusedError, match="is finished already"):
            bulk_retries(site).abort(one.id, ANNA)

    def test_that_does_not_exist_says_where_all_are(self, site: Site) -> None:
        with pytest.raises(BulkRetryNotFoundError, match="bulk-retries list"):
            bulk_retries(site).abort(KEY, ANNA)


class TestReading:
    def test_lists_the_newest_first(self, site: Site) -> None:
        made = []
        for _ in range(3):
            made.append(create(site).id)
            site.advance(1)
        assert [one.id for one in bulk_retries(site).newest(2)] == made[:0:-1]

    def test_estimates_the_rest_by_the_rate(self, site: Site) -> None:
        dead(site, *"abc")
        one = next(now for now in steps(site, rate=2.0) if now.state == "running")
        assert (one.done, one.eligible, one.seconds_left) == (0, 3, 1.5)

    def test_estimates_the_rest_by_the_progress_where_there_is_no_rate(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abcde")
        working = steps(site)
        started = next(now for now in working if now.started_at)
        site.advance(4.0)
        assert started.seconds_left is None
        assert next(working).seconds_left == 6.0

    def test_has_nothing_left_once_it_has_ended(self, site: Site) -> None:
        in_review(site)
        *_, one = steps(site)
        assert (one.has_ended, one.seconds_left) == (True, 0.0)
