"""One order's trace: from the request through the queue to its last retry and its webhook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from breakwall import tracing
from breakwall.payments.db.operator_tables import order_traces
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.ledger.traces import find_trace, trace_of
from breakwall.payments.orders import OrderStatus
from breakwall.producers import AsyncOrderProducer
from tests.contract.site import Site, order
from tests.gateway import DOWN, PAID
from tests.spans import Spans, recording, trace_id

SECRET = "4242 4242 of Anna"
TELLING = ChargeAnswer(Outcome.FAILED, Health.FAILURE, code="http_500", detail=SECRET)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    with recording(monkeypatch) as recorded:
        yield recorded


def rows(site: Site) -> int:
    counting = select(func.count()).select_from(order_traces)
    return site.database.read(lambda connection: connection.scalar(counting)) or 0


def one_trace(spans: Spans) -> bool:
    return len({trace_id(span) for span in spans.all()}) == 1


def test_a_later_attempt_belongs_to_the_trace_of_the_request(site: Site, spans: Spans) -> None:
    site.gateway.answers.extend([DOWN, PAID])
    with tracing.span("request"):
        placed = site.producer.place(order())
    site.advance(60)
    assert site.retrier.run(placed.order_id) is OrderStatus.PAID
    names = [span.name for span in spans.all()]
    assert names == ["breakwall.charge", "breakwall.place", "breakwall.request", "breakwall.charge"]
    assert one_trace(spans)
    last = dict(spans.all()[-1].attributes or {})
    assert last == {
        "breakwall.order_id": placed.order_id,
        "breakwall.attempt": 2,
        "breakwall.outcome": "succeeded",
    } | ({"breakwall.code": last["breakwall.code"]} if "breakwall.code" in last else {})


def test_an_order_that_is_queued_at_once_belongs_to_its_trace(site: Site, spans: Spans) -> None:
    site.open_circuit()
    placed = site.producer.place(order())
    site.breaker_forgets()
    site.advance(60)
    site.gateway.answers.append(PAID)
    site.retrier.run(placed.order_id)
    assert [span.name for span in spans.all()] == ["breakwall.place", "breakwall.charge"]
    assert one_trace(spans)


def test_orders_of_one_batch_belong_to_one_trace(site: Site, spans: Spans) -> None:
    placed = site.producer.enqueue([order(), order("cart-2")])
    site.gateway.answers.extend([PAID, replace(PAID, charge_id="ch_2")])
    for one in placed:
        site.retrier.run(one.order_id)
    assert len(spans.named("breakwall.charge")) == 2
    assert one_trace(spans)


@pytest.mark.parametrize("answer", [PAID, DOWN])
def test_an_order_from_an_event_loop_belongs_to_its_trace(
    site: Site, spans: Spans, answer: ChargeAnswer
) -> None:
    import asyncio

    async def request() -> None:
        with tracing.span("request"):
            await AsyncOrderProducer(site.producer).place(order())

    site.gateway.answers.append(answer)
    asyncio.run(request())
    assert len(spans.all()) == 3
    assert one_trace(spans)


def test_a_replay_keeps_the_first_trace(site: Site, spans: Spans) -> None:
    site.producer.enqueue([order()])
    first = find_trace(site.database, site.get().id)
    site.producer.enqueue([order()])
    assert find_trace(site.database, site.get().id) == first


def test_no_span_holds_a_text_of_the_service_or_of_the_customer(site: Site, spans: Spans) -> None:
    site.gateway.answers.append(TELLING)
    site.producer.place(replace(order("key-of-anna"), user_id="anna", description="a gift for Anna"))
    assert len(spans.all()) == 2
    for secret in (SECRET, "key-of-anna", "anna", "gift"):
        assert secret not in spans.text()


def test_a_process_that_does_not_trace_writes_no_row(site: Site) -> None:
    site.gateway.answers.append(DOWN)
    site.producer.place(order())
    site.producer.enqueue([order("cart-2")])
    assert rows(site) == 0


def test_a_database_that_is_away_has_no_trace_and_stops_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from breakwall.payments.db.database import DatabaseUnavailableError

    def fail(work: object) -> None:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr(site.database, "read", fail)
    assert trace_of(site.database, "o1") is None
