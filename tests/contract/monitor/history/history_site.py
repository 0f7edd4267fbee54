"""A site whose history is sampled, by processes that take turns."""

from __future__ import annotations

from breakwall.monitor.backlog import Monitor
from breakwall.monitor.history import store
from breakwall.monitor.history.sample import Sample
from breakwall.monitor.history.sampler import Sampler
from breakwall.payments.decisions import Decision
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.orders import OrderStatus
from tests.contract.site import Site, order
from tests.gateway import DOWN


class HistorySite(Site):
    """`sampler` is that of one process. Time passes for all clocks at once, by `advance`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.messages: int | None = 0
        self.monitor = Monitor(self.database, self.breaker, lambda: self.messages, clock=self.clock)
        self.sampler = self.new_sampler()

    def new_sampler(self) -> Sampler:
        return Sampler(self.monitor, monotonic=lambda: self.seconds)

    def sample(self, *, every: float = 10.0) -> Sample:
        """Let the time pass, and return the sample that is taken then."""
        self.advance(every)
        self.sampler.run_once()
        return self.samples()[-1]

    def samples(self) -> list[Sample]:
        return self.database.read(lambda found: store.of_last(found, self.clock, 40 * 86_400))

    def queue(self, *keys: str) -> list[str]:
        return [placed.order_id for placed in self.producer.enqueue([order(key) for key in keys])]

    def call_and_fail(self, key: str, *, after: float) -> None:
        """The customer's own call fails, and the order waits from then on."""
        attempt = self.ledger.accept_sending(order(key))
        assert isinstance(attempt, Attempt)
        self.advance(after)
        self.ledger.record(attempt, DOWN, Decision(OrderStatus.QUEUED, 5.0))
