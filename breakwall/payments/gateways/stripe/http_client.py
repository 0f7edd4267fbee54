"""The HTTP client under Stripe's library: one deadline from the connection to the last byte, one request for one call.

The library's own client bounds each socket operation alone (80 s), repeats requests and reports our calls to Stripe.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import stripe

from breakwall.payments.gateways.http import HttpService
from breakwall.payments.gateways.transport.errors import Phase
from breakwall.pickling import Picklable


class NoAnswerError(Picklable, Exception):
    """No answer came back, because of its cause. Not one of the errors after which the library would try again."""

    def __init__(self, phase: Phase) -> None:
        super().__init__("no answer came back")
        self.phase = phase


@dataclass(slots=True)
class LibraryCall:
    """One call of the library: its deadline, and the answer's status and headers once they are there."""

    deadline: float  # on `time.monotonic`
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


_current: ContextVar[LibraryCall] = ContextVar("breakwall_stripe_call")


@contextmanager
def within(deadline: float) -> Iterator[LibraryCall]:
    """What the library sends inside ends by ``deadline``."""
    call = LibraryCall(deadline)
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)


class DeadlineClient(stripe.HTTPClient):
    """Sends the library's requests through an `HttpService`. Threads may share it; use it inside `within` only."""

    name = "breakwall"

    def __init__(self, service: HttpService) -> None:
        super().__init__()
        self._service = service

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """One request and its answer. `NoAnswerError` if there is none."""
        call = _current.get()
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path

        def answered(status: int, received: Mapping[str, str], body: bytes | None, **_: object) -> str:
            call.status, call.headers = status, received
            # What is too long or no text is no answer of Stripe's: the library fails to read it.
            return (body or b"").decode("utf-8", errors="replace")

        body = self._service.exchange(
            method.upper(),
            path,
            headers or {},
            (post_data or "").encode(),
            deadline=call.deadline,
            answered=answered,
            failed=_raise,
        )
        return body, call.status or 0, call.headers

    def close(self) -> None:
        self._service.close()


def _raise(error: Exception, phase: Phase) -> str:
    raise NoAnswerError(phase) from error
