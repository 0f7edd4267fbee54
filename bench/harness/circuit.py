"""Watches the circuit in its store, without being a member of the fleet that shares it."""

from __future__ import annotations

import json
import threading
import time
from itertools import pairwise
from types import TracebackType
from typing import Self

import psycopg

INTERVAL = 0.1  # Seconds between two looks; an open circuit stays open for longer.


class CircuitWatch:
    """Reads the circuit's row until it is left. Without a database it sees nothing.

    ``openings`` is how often it opened after it had been closed; ``states`` has each change and its moment.
    """

    def __init__(self, database_url: str | None) -> None:
        self._url = None if database_url is None else database_url.replace("+psycopg", "")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.states: list[tuple[float, str]] = []

    @property
    def openings(self) -> int:
        names = ["closed", *(state for _, state in self.states)]
        return sum(1 for change in pairwise(names) if change == ("closed", "open"))

    def __enter__(self) -> Self:
        if self._url is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._url is not None:
            self._thread.join()

    def _watch(self) -> None:
        assert self._url is not None
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(INTERVAL):
                self._look(connection)

    def _look(self, connection: psycopg.Connection[tuple[str]]) -> None:
        try:
            row = connection.execute("SELECT circuit FROM breakwall_circuits").fetchone()
        except psycopg.errors.UndefinedTable:
            return
        state = "closed" if row is None else str(json.loads(row[0])["s"])
        if not self.states or self.states[-1][1] != state:
            self.states.append((time.monotonic(), state))
