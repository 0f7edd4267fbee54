"""What happens to orders while a process dies: short stories that together pass every named point.

Each is told in one process from an empty database on, up to where the rest is another story: what is left is
settled by the restart that follows in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from breakwall.payments.actions import Author
from breakwall.payments.decisions import STORED_ERRORS
from breakwall.payments.ledger.claims import Claim
from breakwall.payments.ledger.ledger import PUBLISH_GRACE
from breakwall.payments.ledger.queries import get_order
from breakwall.payments.operator.bulk_retry import Redrive, Selection
from breakwall.payments.operator.resolve import Resolution
from breakwall.payments.operator.suspect import Suspicion
from breakwall.payments.orders import OrderStatus
from tests.chaos.crashes_outside import LATE, SETTLE, Deed
from tests.chaos.crashes_site import LEASE, Site

Story = Callable[[Site], object]

PERSON = Author("ada", "asked the payment service")


@dataclass(frozen=True)
class Scenario:
    """A story, and what the payment service does with its first requests; it charges all that come after.

    Attributes:
        tell: the story.
        deeds: one for each of the first requests.
        max_attempts: the worker's, before it gives an order up.
        ends: the state that the orders end in where nobody dies and the service can be asked.
    """

    tell: Story
    deeds: tuple[Deed, ...] = ()
    max_attempts: int = 3
    ends: OrderStatus = OrderStatus.PAID


def placed(site: Site) -> None:
    site.place()


def placed_and_tried_again(site: Site) -> None:
    """The producer's own message comes too early once, and in time once."""
    site.place()
    site.work()
    site.deliver_again(after=1.0)


def placed_and_settled(site: Site) -> None:
    site.place()
    site.advance(SETTLE + 1)
    site.work()


def delayed_on_its_way(site: Site) -> None:
    """Looked up while the request is still under way, and again when the settle time is over."""
    site.place()
    site.advance(LATE - 5)
    site.work()
    site.deliver_again(after=SETTLE)


def replayed_for_ever(site: Site) -> None:
    site.place()
    for _ in range(STORED_ERRORS):
        site.deliver_again(after=SETTLE + 1)


def used_up(site: Site) -> None:
    site.place()
    for _ in range(2):
        site.deliver_again(after=SETTLE + 1)


def placed_while_open(site: Site) -> None:
    site.open_circuit()
    site.place()


def enqueued(site: Site) -> None:
    site.enqueue("cart-1")
    site.work()


def published_by_the_dispatcher(site: Site) -> None:
    """The broker is down as the orders come, and then takes one message of two."""
    site.broker.takes = 0
    site.enqueue("cart-1", "cart-2")
    site.advance(PUBLISH_GRACE)
    site.broker.takes = 1
    site.dispatch()
    site.work()


def deferred(site: Site) -> None:
    site.enqueue("cart-1")
    site.open_circuit()
    site.work()


def refused_after_the_claim(site: Site) -> None:
    """Others' failures open the circuit between the worker's look at it and its request for a permit."""
    ledger, claim = site.ledger, site.ledger.claim

    def claim_while_others_fail(order_id: str) -> Claim | None:
        claimed = claim(order_id)
        site.open_circuit()
        return claimed

    ledger.claim = claim_while_others_fail  # type: ignore[method-assign]
    site.enqueue("cart-1")
    site.work()


def taken_back(site: Site) -> None:
    """A worker hung after its request: whoever dies here dies during the recovery from that."""
    (queued,) = site.enqueue("cart-1")
    site.hang(queued.order_id)
    site.advance(LEASE)
    site.dispatch()
    site.advance(SETTLE)
    site.work()


def cancelled(site: Site) -> None:
    site.enqueue("cart-1")
    site.people.cancel("cart-1")


def cancelled_in_doubt(site: Site) -> None:
    site.place()
    site.people.cancel("cart-1")
    site.advance(SETTLE + 1)
    site.work()


def cancelled_during_the_call(site: Site) -> None:
    site.gateway.during = lambda: site.people.cancel("cart-1")
    site.place()
    site.advance(1.0)
    site.work()


def refused(site: Site) -> None:
    """Dead once a look-up has found no charge; at once where there is no look-up."""
    site.place()
    site.advance(SETTLE + 1)
    site.work()


def sent_round_again(site: Site) -> None:
    refused(site)
    site.people.retry("cart-1")


def sent_round_with_others(site: Site) -> None:
    refused(site)
    dead = Selection((OrderStatus.DEAD,))
    for _ in Redrive(site.database, clock=site.clock, sleep=lambda _: None).run(dead, PERSON):
        pass


def resolved(site: Site) -> None:
    """Where the payment service can tell nothing by itself, a person looks into its books."""
    site.place()
    site.advance(1.0)
    site.work()
    if get_order(site.database, "cart-1").status is OrderStatus.REVIEW:
        resolution = Resolution(site.database, clock=site.clock)
        order_id = get_order(site.database, "cart-1").id
        charges = [charge for charge in site.gateway.charges() if charge.order_id == order_id]
        if charges:
            resolution.paid("cart-1", charges[0].charge_id, PERSON)
        else:
            resolution.not_charged("cart-1", PERSON)


def suspected(site: Site) -> None:
    """As after a restore: the order waits, and may have been charged without an attempt that tells of it."""
    site.place()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in Suspicion(site.database, clock=site.clock, sleep=lambda _: None).run(since, PERSON):
        pass
    site.advance(SETTLE + 1)
    site.work()


SCENARIOS = {
    "paid": Scenario(placed),
    "declined": Scenario(placed, (Deed.DECLINE,), ends=OrderStatus.DECLINED),
    "nobody connects": Scenario(placed_and_tried_again, (Deed.REFUSE,)),
    "the answer is lost": Scenario(placed_and_settled, (Deed.LOSE,)),
    "the request is lost": Scenario(placed_and_settled, (Deed.VANISH,)),
    "the request is late": Scenario(delayed_on_its_way, (Deed.DELAY,)),
    "a 500 is stored": Scenario(replayed_for_ever, (Deed.ERROR,)),
    "attempts are used up": Scenario(
        used_up, (Deed.VANISH, Deed.VANISH), max_attempts=1, ends=OrderStatus.DEAD
    ),
    "placed while open": Scenario(placed_while_open),
    "enqueued": Scenario(enqueued),
    "published by the dispatcher": Scenario(published_by_the_dispatcher),
    "deferred": Scenario(deferred),
    "refused after the claim": Scenario(refused_after_the_claim),
    "taken back from a hung worker": Scenario(taken_back),
    "cancelled": Scenario(cancelled, ends=OrderStatus.CANCELLED),
    "cancelled in doubt, not charged": Scenario(
        cancelled_in_doubt, (Deed.VANISH,), ends=OrderStatus.CANCELLED
    ),
    "cancelled in doubt, charged": Scenario(cancelled_in_doubt, (Deed.LOSE,)),
    "cancelled during the call, not charged": Scenario(
        cancelled_during_the_call, (Deed.REFUSE,), ends=OrderStatus.CANCELLED
    ),
    "cancelled during the call, charged": Scenario(cancelled_during_the_call),
    "sent round again": Scenario(sent_round_again, (Deed.REJECT,)),
    "sent round with others": Scenario(sent_round_with_others, (Deed.REJECT,)),
    "resolved as paid": Scenario(resolved, (Deed.LOSE,)),
    "resolved as not charged": Scenario(resolved, (Deed.VANISH,)),
    "suspected": Scenario(suspected, (Deed.LOSE,)),
}
