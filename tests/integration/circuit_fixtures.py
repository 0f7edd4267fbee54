"""The circuit of a terminal's commands."""

from contextlib import closing

from breakwall.breaker import CircuitBreaker
from breakwall.settings import load_settings
from breakwall.wiring import open_breaker
from tests.command import Terminal
from tests.waiting import wait_until


def breaker_of(terminal: Terminal) -> CircuitBreaker:
    """The circuit that the terminal's commands share, as another process would hold it."""
    return open_breaker(load_settings(terminal.settings))


def open_circuit(terminal: Terminal) -> None:
    """Returns when each command finds it open, however slow this machine is."""
    terminal.set(BREAKER__STORE_TIMEOUT="5", BREAKER__FIRST_CONTACT="30")  # A slow machine is no lost store.
    with closing(breaker_of(terminal)) as breaker:
        while breaker.status().retry_after == 0:
            breaker.acquire().record_failure()
        wait_until(lambda: _others_find_it_open(terminal))


def _others_find_it_open(terminal: Terminal) -> bool:
    with closing(breaker_of(terminal)) as other:
        return other.status().retry_after > 0
