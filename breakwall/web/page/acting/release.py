"""Releases one order on the page: while the queue is paused, a trial shows whether the payment service is back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, exists, false, select

from breakwall.payments.db.own_gateway import is_own
from breakwall.payments.db.schema import QUEUED, orders, released_orders
from breakwall.payments.gateways import profile_from_settings
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.queries import Naming
from breakwall.payments.operator.locking import OtherGatewayError, RefusedError
from breakwall.payments.operator.retry_and_cancel import retry_order
from breakwall.web.page.acting.action_page import (
    ActionPage,
    ActionRefusedError,
    Done,
    Fact,
)
from breakwall.web.page.acting.action_routes import action_router, add_action
from breakwall.web.page.acting.asked import SEEN, Asked
from breakwall.web.page.acting.drain import BACK, drain_impossible, not_paused, pause_fact, read_drain
from breakwall.web.page.acting.facts import circuit_facts
from breakwall.web.page.acting.orders import other_gateway
from breakwall.web.page.acting.possible import RELEASE

router = action_router()

_IS_RELEASED = exists().where(released_orders.c.order_id == orders.c.id)
_OLDEST: Select[Any] = (
    select(orders.c.id, orders.c.idempotency_key, orders.c.amount, orders.c.currency)
    # A worker would only cancel one whose cancellation was requested.
    .where(orders.c.status == QUEUED, orders.c.cancel_requested == false(), ~_IS_RELEASED)
    .order_by(orders.c.created_at)
    .limit(1)
)


def oldest_to_release(connection: Connection, gateway: str) -> Row[Any] | None:
    """Of the orders that wait and are not released, the oldest, within a running transaction; None: there is none.

    One of ``gateway``, if any: another one's may be for its workers only, and would be refused for as long as it waits.
    """
    own = connection.execute(_OLDEST.where(is_own(gateway))).first()
    return own or connection.execute(_OLDEST).first()


def _release_page(asked: Asked) -> ActionPage:
    text, drain = asked.words.text, read_drain(asked)
    title = text("Release one order")
    if not drain.is_paused:
        raise not_paused(asked, drain, title)
    gateway = asked.services.settings.gateway_name
    oldest = asked.services.database.read(lambda connection: oldest_to_release(connection, gateway))
    if oldest is None:
        raise drain_impossible(asked, drain, title, text("No order waits that is not released already."))
    money = asked.words.money(oldest.amount, oldest.currency)
    return ActionPage(
        title=title,
        button=title,
        explanation=(
            text(
                "A worker tries this one order although the queue is paused: it shows whether the service is back."
            ),
            text(
                "It gets a new budget of tries. If it may have been charged, it is looked up before anything is sent."
            ),
        ),
        facts=(
            Fact(text("The oldest order"), f"{oldest.idempotency_key} ({money})", f"/orders/{oldest.id}"),
            pause_fact(asked, drain),
            *circuit_facts(asked.services.breaker.status(), asked.words),
        ),
        version=oldest.id,
        back=BACK,
    )


def _release(asked: Asked, author: Author) -> Done:
    profile = profile_from_settings(asked.services.settings)
    try:
        retry_order(
            asked.services.database,
            asked.given[SEEN],
            author,
            by=Naming.ID,
            looks_up=profile.looks_up,
            gateway=asked.services.settings.gateway_name,
            clock=asked.services.clock,
        )
    except OtherGatewayError as error:
        raise ActionRefusedError(other_gateway(error, asked.words)) from error
    except RefusedError as error:
        sentence = asked.words.text("Nothing was done: the order does not wait any more.")
        raise ActionRefusedError(sentence) from error
    return Done("order_released")


add_action(router, RELEASE, _release_page, _release)
