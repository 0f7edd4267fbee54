"""A dry run counts what a bulk retry would do, on both databases."""

from __future__ import annotations

from breakwall.payments.operator.bulk_retry.preview import Preview, preview, preview_named
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.operator.bulk_retry.bulk_site import DEAD, run
from tests.contract.people import OTHER_PAYLOAD, dead, in_review, queued
from tests.contract.site import Site, order
from tests.gateway import PAID

REVIEW = Selection((OrderStatus.REVIEW,))


class TestTheDryRun:
    def preview(self, site: Site, selection: Selection = DEAD) -> Preview:
        return preview(site.database, selection, clock=site.clock)

    def finish(self, site: Site) -> None:
        dead(site, "a", "b")
        in_review(site, "c")
        queued(site, "d")
        site.gateway.answers.append(PAID)
        site.producer.place(order("e"))
        site.ledger.accept_sending(order("f"))

    def test_counts_what_is_eligible_skipped_and_already_paid(self, site: Site) -> None:
        self.finish(site)
        assert self.preview(site) == Preview(
            eligible=2,
            looked_up_first=0,
            already_paid=1,
            skipped={OrderStatus.IN_FLIGHT: 1, OrderStatus.QUEUED: 1, OrderStatus.REVIEW: 1},
        )

    def test_counts_what_is_looked_up_first(self, site: Site) -> None:
        self.finish(site)
        seen = self.preview(site, Selection((OrderStatus.REVIEW, OrderStatus.DEAD)))
        assert (seen.eligible, seen.looked_up_first) == (3, 1)

    def test_counts_an_order_with_that_error_as_paid_when_it_was_paid_since(self, site: Site) -> None:
        _, paid = dead(site, "a", "b")
        site.people.retry(paid)
        site.gateway.answers.append(PAID)
        site.retrier.run(paid)
        site.gateway.answers.append(PAID)
        site.producer.place(order("unfailing"))
        seen = self.preview(site, Selection((OrderStatus.DEAD,), error_contains="HTTP_401"))
        assert (seen.eligible, seen.already_paid) == (1, 1)

    def test_counts_what_the_run_then_does(self, site: Site) -> None:
        self.finish(site)
        chosen = Selection((OrderStatus.DEAD, OrderStatus.QUEUED), currency="KRW")
        assert self.preview(site, chosen).eligible == run(site, chosen) == 3

    def test_changes_nothing(self, site: Site) -> None:
        self.finish(site)
        before = [site.get(key) for key in "abcdef"]
        self.preview(site)
        assert [site.get(key) for key in "abcdef"] == before

    def test_of_named_orders_counts_those(self, site: Site) -> None:
        self.finish(site)
        ids = [site.get(key).id for key in "ace"]
        assert preview_named(site.database, ids) == Preview(2, 1, 1, {})

    def test_counts_an_order_whose_key_belongs_to_another_payload_apart(self, site: Site) -> None:
        in_review(site, "a", answer=OTHER_PAYLOAD)
        in_review(site, "b")
        seen = Preview(eligible=1, looked_up_first=1, already_paid=0, skipped={}, to_be_resolved=1)
        assert self.preview(site, REVIEW) == seen
        assert preview_named(site.database, [site.get(key).id for key in "ab"]) == seen

    def test_counts_it_as_any_other_where_its_state_is_not_asked_for(self, site: Site) -> None:
        in_review(site, answer=OTHER_PAYLOAD)
        assert self.preview(site) == Preview(0, 0, 0, {OrderStatus.REVIEW: 1})
