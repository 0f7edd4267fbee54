"""The circuit of a terminal's commands."""

from contextlib import closing

from breakwall.breaker import CircuitBreaker
from breakwall.settings import load_settings
from breakwall.wiring import open_breaker
from tests.command import Terminal


def breaker_of(terminal: Terminal) -> CircuitBreaker:
    """The circuit that the terminal's commands share, as another process would hold it."""
    return open_breaker(load_settings(terminal.settings))


def open_circuit(terminal: Terminal) -> None:
    with closing(breaker_of(terminal)) as breaker:
        while breaker.status().retry_after == 0:
            breaker.acquire().record_failure()
