"""The totals as counters."""

from collections.abc import Iterable, Iterator

from breakwall.monitor.metrics.counted import BOUNDS, OVER, Key
from breakwall.monitor.metrics.family import Family, counter, counters, gauge, histogram
from breakwall.monitor.metrics.totals import OrderTotals
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.delivery_totals import DeliveryResult, DeliveryTotals

# Each series begins with 0: Prometheus does not see the first step of one that begins with 1.
_UNENDED = {OrderStatus.QUEUED, OrderStatus.IN_FLIGHT}
_ENDS: dict[Key, float] = {(status.value,): 0.0 for status in OrderStatus if status not in _UNENDED}
_ATTEMPTS: dict[Key, float] = {
    (source, outcome.value): 0.0 for source in ("producer", "worker") for outcome in Outcome
}
_BUCKETS = (*map(str, BOUNDS), OVER)
_CALLS: dict[Key, float] = {(outcome.value, bucket): 0.0 for outcome in Outcome for bucket in _BUCKETS}
_CALL_SECONDS: dict[Key, float] = {(outcome.value,): 0.0 for outcome in Outcome}


def total_families(totals: OrderTotals | None) -> Iterator[Family]:
    """All counters of orders; without values before revision 0008."""
    yield _plain(totals, "accepted", "breakwall_orders_accepted_total", "Orders that were accepted")
    ended = {} if totals is None else _ENDS | totals.of("ended")
    yield counters("breakwall_orders_ended_total", "Orders that came to this end", ("status",), ended)
    money = {} if totals is None else totals.of("money")
    labels, text = ("status", "currency"), "Money of the orders that came to this end, in minor units"
    yield counters("breakwall_orders_ended_minor_units_total", text, labels, money)
    attempts = {} if totals is None else _ATTEMPTS | totals.of("attempts")
    labels, text = ("source", "outcome"), "Attempts of the orders that ended, by who made them"
    yield counters("breakwall_attempts_total", text, labels, attempts)
    yield _calls(totals)
    yield _plain(totals, "retries", "breakwall_retries_total", "Their attempts by a worker")
    yield _plain(totals, "deferrals", "breakwall_deferrals_total", "Times that they were told: not now")
    yield _plain(totals, "look_ups", "breakwall_look_ups_total", "Look-ups of their charges")
    until = None if totals is None else totals.until.timestamp()
    yield gauge("breakwall_counted_until_seconds", "The moment up to which the counters count", until)


def delivery_families(totals: DeliveryTotals | None, destinations: Iterable[str]) -> Iterator[Family]:
    """How the shop was told; from 0 for each of the ``destinations`` that are known. Nothing before revision 0008."""
    if totals is None:
        return
    zeros: dict[Key, float] = {(name, each.value): 0.0 for name in destinations for each in DeliveryResult}
    values = zeros | {(name, each.value): float(number) for (name, each), number in totals.items()}
    labels, text = ("destination", "result"), "Tries to tell the shop an outcome, by what came of them"
    yield counters("breakwall_deliveries_total", text, labels, values)


def _calls(totals: OrderTotals | None) -> Family:
    text = "How long the attempts of the orders that ended took"
    name, labels = "breakwall_payment_call_seconds", ("outcome",)
    if totals is None:
        return histogram(name, text, labels, {}, {})
    seconds = {key: number / 1e6 for key, number in totals.of("call_microseconds").items()}
    return histogram(name, text, labels, _CALLS | totals.of("calls"), _CALL_SECONDS | seconds)


def _plain(totals: OrderTotals | None, key: str, name: str, text: str) -> Family:
    return counter(name, text, None if totals is None else float(totals.numbers[key,]))
