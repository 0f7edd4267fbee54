"""Makes one event of each printed line. `print` writes its pieces one by one, and Celery would log each piece."""

import threading
from collections.abc import Iterable
from typing import Any

LONGEST = 4000  # Characters without a line break that are kept back.


class PrintedLines:
    """A stream that passes whole lines on to ``stream``. Each thread has lines of its own, so they do not mix.

    Everything but writing is done by ``stream``.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self._own = stream, threading.local()

    def write(self, text: str) -> int:
        """Pass on what is a whole line now, and keep the rest for the thread's next call."""
        text = str(text)
        *lines, rest = (self._kept() + text).split("\n")
        self._own.text = rest
        for line in lines:
            self._pass_on(line)
        if len(rest) > LONGEST:
            self.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Pass on the beginning of a line, too."""
        rest, self._own.text = self._kept(), ""
        self._pass_on(rest)

    def _kept(self) -> str:
        kept: str = getattr(self._own, "text", "")
        return kept

    def _pass_on(self, line: str) -> None:
        if line.strip():
            self._stream.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
