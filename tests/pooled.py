"""A shop in a process: orders, worker and circuit are stored at one URL. Tests run it as a program."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, store_from_url
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.worker.retry import Retrier
from producers import OrderProducer
from tests.contract.site import RecordingPublisher, order
from tests.gateway import PAID, ScriptedGateway


class PayingGateway(ScriptedGateway):
    """Pays every charge at once."""

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        return replace(PAID, charge_id=f"ch_{request.order_id}")


class PooledShop:
    """A producer and a worker whose circuit is stored at the same URL. Safe for threads."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        ledger = Ledger(self.database, lease=15.0)
        charger = Charger(PayingGateway(), ledger, RetryPolicy(), lambda: 0.5)  # type: ignore[arg-type]
        self.breaker = CircuitBreaker("payment", CircuitBreakerConfig(), store_from_url(url))
        self.producer = OrderProducer(
            *(ledger, charger, self.breaker, RecordingPublisher()),
            timeout=10.0,
            jitter=lambda: 0.5,
            wait=30.0,
        )
        self.retrier = Retrier(charger, self.breaker, timeout=10.0)

    def place(self, key: str) -> str:
        return str(self.producer.place(order(key)).status)

    def queue_and_retry(self, key: str) -> str:
        (queued,) = self.producer.enqueue([order(key)])
        return str(self.retrier.run(queued.order_id))

    def serve(self, name: str, count: int) -> list[str]:
        """Process orders in six threads: every other one is placed, the rest are queued for the worker."""
        with ThreadPoolExecutor(6) as threads:
            ways = (self.place, self.queue_and_retry)
            return list(threads.map(lambda n: ways[n % 2](f"{name}-{n}"), range(count)))

    def close(self) -> None:
        self.producer.close()


if __name__ == "__main__":
    shop = PooledShop(sys.argv[1])
    sys.stdout.write(json.dumps(shop.serve(sys.argv[2], 50)))
    shop.close()
