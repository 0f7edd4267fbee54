"""A shared store of the breaker in a dictionary: it compares and swaps texts as Redis or a database does."""

import threading
from collections.abc import Callable

from breakwall.breaker.stores import ABSENT, StoredCircuit
from breakwall.breaker.sync.memory import steady_time


class DictStore:
    remote = False

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or steady_time()
        self._lock = threading.Lock()
        self._texts: dict[str, tuple[str, str]] = {}

    def load(self, name: str) -> StoredCircuit:
        with self._lock:
            return self._record(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        with self._lock:
            won = self._record(name).version == seen
            if won:
                self._texts[name] = (version, text)
            return won, self._record(name)

    def close(self) -> None:
        """Nothing to close: what is stored stays."""

    def forget_connections(self) -> None:
        self._lock = threading.Lock()

    def _record(self, name: str) -> StoredCircuit:
        version, text = self._texts.get(name, (ABSENT, None))
        return StoredCircuit(version, text, self._clock())
