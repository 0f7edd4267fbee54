"""What connections to PostgreSQL leave behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import psutil
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from breakwall.payments.db import postgres
from breakwall.payments.db.database import open_engine
from tests.servers.silent_relay import SilentRelay


@pytest.fixture
def no_garbage_is_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_is_collected")
def test_a_connection_that_was_not_made_in_time_is_closed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(postgres_url)
    relay = SilentRelay(url.port or 5432)
    relay.stay_silent()
    monkeypatch.setitem(postgres._NETWORK, "connect_timeout", 2)  # The least that the driver takes.
    engine = open_engine(url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False))
    with pytest.raises(OperationalError, match="timeout"):
        engine.connect()
    to_relay = [
        one for one in psutil.Process().net_connections() if one.raddr and one.raddr.port == relay.port
    ]
    assert not [one for one in to_relay if one.status == psutil.CONN_ESTABLISHED]
    relay.close()
    relay.cut()
