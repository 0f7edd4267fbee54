"""Workers that are alive, as their heartbeats tell."""

from __future__ import annotations

from sqlalchemy import Connection

from breakwall.payments.fleet.workers import Identity, record_heartbeat
from tests.contract.site import Site


def heartbeat(site: Site, gateway: str | None) -> None:
    """Have a worker with this gateway be alive now; None: it does not say which one it has."""
    worker = Identity(f"with-{gateway}", "celery@web-1", "web-1", 1, 4, "0.1", 1, gateway=gateway)

    def write(connection: Connection) -> None:
        record_heartbeat(connection, site.clock, worker)

    site.database.write(write, name="heartbeat")
