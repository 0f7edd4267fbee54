"""Incidents of the kind `undelivered`, each also an error in the log. Each function is a part of a transaction."""

import logging
from datetime import datetime

from sqlalchemy import Connection, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import orders
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.ledger.audit import report_incident
from breakwall.payments.outcomes.outbox.claiming import Claimed

log = logging.getLogger("breakwall.outcomes")


def report_claim(connection: Connection, clock: Clock, claimed: Claimed, detail: str) -> None:
    """Something about one delivery that a person should know."""
    # The moment makes it another incident than an earlier one that a person has closed.
    at = claimed.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    _report(connection, clock, claimed.event.order_id, f"{at}: {detail}")


def report_blocked(connection: Connection, clock: Clock, claimed: Claimed) -> None:
    """This call took the last thread of its destination."""
    detail = (
        f"every thread of a worker's {claimed.destination} is in a call that does not return, so this worker "
        "delivers nothing there: correct it, and restart the worker"
    )
    report_claim(connection, clock, claimed, detail)


def report_outage(connection: Connection, clock: Clock, name: str, order_id: str, since: datetime) -> None:
    """One incident for all that waits, at the order that waits longest."""
    # All workers write the same text, so that it is one incident.
    detail = (
        f"the {name} takes no outcomes: they wait since {since:%Y-%m-%d %H:%M:%S} UTC, and are tried again"
    )
    _report(connection, clock, order_id, detail)


def _report(connection: Connection, clock: Clock, order_id: str, detail: str) -> None:
    if connection.scalar(select(orders.c.id).where(orders.c.id == order_id)) is not None:
        report_incident(connection, clock, order_id, IncidentKind.UNDELIVERED, detail)
    log.error("order %s: %s", order_id, detail)
