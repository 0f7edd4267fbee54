"""One connection of a client, within bounds that hold before anything is known of it: no token is checked here.

uvicorn's own class takes heads of any size, and waits for a request for ever. A connection costs no thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from breakwall.web.access.security_headers import HEADERS
from breakwall.web.problems import ProblemError, ProblemType, problem_response
from breakwall.web.whole_answers import EXTENSION, Header

MAX_HEAD = 64 * 1024  # Bytes of a request's first line and headers.
MAX_HEADERS = 200
MOST_CONNECTIONS = 800  # Of a process. Most systems give it 1,024 files, and the database needs some.
# Seconds that a client may leave its connection unused. Proxies keep theirs for 60: those who keep one longer than the
# server does send requests into a closed connection.
IDLE_TIMEOUT = 75
ANSWER_TIMEOUT = 30.0  # Seconds in which a client reads nothing of its answer.
LINGER = 2.0  # Seconds in which a client that is refused can read why, while it still sends.


class Awaited(Enum):
    """What of a request comes next. The value: the seconds in which all of it must come; None: any time."""

    HEAD = 10.0
    BODY = 30.0
    NOTHING = None


class ClientConnection(HttpToolsProtocol):
    """Refuses with a problem document, and closes: 400 no HTTP, 408 too slow, 431 too large a head, 503 too many.

    When a process has `MOST_CONNECTIONS`, a new one takes the place of the one that has waited for a request longest;
    if none is idle, of the one that has waited for the rest of a body longest.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.headers = []
        self._awaited = Awaited.HEAD
        self.waits_since = self.loop.time()  # For a request, or for the rest of its body.
        self._deadline: asyncio.TimerHandle | None = None  # Of what is awaited, and then of the refusal.
        self._answer_deadline: asyncio.TimerHandle | None = None
        self._useless = 0  # Bytes of the reads since the last one in which the request came forward.
        self._came_forward = False
        self._has_begun = False  # Whether it has sent anything of a request.
        self._is_refused = False
        self._unanswered: list[
            RequestResponseCycle
        ] = []  # The request in hand, and those that wait behind it.

    @property
    def has_request(self) -> bool:
        """Whether a request is in hand: its head has come, and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.disconnected

    @property
    def gives_way(self) -> bool:
        """Whether a new connection may take its place: its client has not sent all that could be answered."""
        return not self.has_request or (self._awaited is Awaited.BODY and not self.flow.read_paused)

    def refuse(self, type_: ProblemType, detail: str) -> None:
        """Answer with this problem what has no answer yet, and close. Whatever else the client sends is not read."""
        if self._is_refused or self.transport.is_closing():
            return
        if self._can_answer():
            self.transport.write(self._answer(ProblemError(type_, detail)))
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        self._is_refused = True
        self.flow.resume_reading()  # A connection that is closed with bytes unread takes the answer away.
        self.transport.write_eof()
        self._set_deadline(LINGER, self.transport.abort)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._find_room():
            self._watch()
        else:
            self.refuse(
                ProblemType.UNAVAILABLE, "This server has as many connections as it takes. Try again."
            )

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_deadline()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._came_forward = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # A client that would rather speak another protocol is answered in this one.
        except httptools.HttpParserError as error:
            self._refuse_unreadable(error)
            return
        self._useless = 0 if self._came_forward else self._useless + len(data)
        if self._useless > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self._refuse_unreadable(_HeadTooLargeError())
        elif self._deadline is None:
            self._watch()

    def on_message_begin(self) -> None:
        self._unset_keepalive_if_required()
        self._has_begun = True
        self._expect(Awaited.HEAD)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            raise _HeadTooLargeError
        super().on_headers_complete()
        self._unanswered = [one for one in self._unanswered if not one.response_complete] + [self.cycle]
        write_whole: Any = self._write_whole
        self.scope["extensions"] = {EXTENSION: write_whole}
        self.headers = []  # For the trailers, which nobody reads: they must not become headers.
        self._came_forward = True
        self.waits_since = self.loop.time()
        self._expect(Awaited.BODY)

    def on_chunk_header(self) -> None:
        """Beside what the base class hears of: a chunk of the body begins."""
        self._came_forward = True

    def on_body(self, body: bytes) -> None:
        self._came_forward = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._came_forward = True
        self._expect(Awaited.NOTHING)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.waits_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer_deadline = self.loop.call_later(ANSWER_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        if self._answer_deadline is not None:
            self._answer_deadline.cancel()
            self._answer_deadline = None
        if self.flow is not None:
            super().resume_writing()

    def _write_whole(self, scope: Scope, status: int, headers: Sequence[Header], body: bytes) -> bool:
        """See `whole_answers.Write`. In place of `RequestResponseCycle.send`, in one write."""
        # By its scope: a scope that knew its cycle would be garbage that only the collector finds.
        cycle = next((one for one in self._unanswered if one.scope is scope), None)
        if cycle is None or cycle.disconnected or self.flow.write_paused or not cycle.keep_alive:
            return False
        cycle.response_started = cycle.response_complete = True
        self.transport.write(_head_of(status, (*self.server_state.default_headers, *headers)) + body)
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _find_room(self) -> bool:
        if len(self.connections) <= MOST_CONNECTIONS:
            return True
        others = (one for one in self.connections if isinstance(one, ClientConnection) and one is not self)
        giving_way = (one for one in others if one.gives_way)
        longest = min(giving_way, key=lambda one: (one.has_request, one.waits_since), default=None)
        if longest is None:
            return False
        self.connections.discard(longest)  # At once: more connections may come before it is told.
        longest.transport.abort()
        return True

    def _expect(self, awaited: Awaited) -> None:
        self._awaited = awaited
        self._end_deadline()

    def _watch(self) -> None:
        if self._awaited.value is not None:
            self._set_deadline(self._awaited.value, self._on_deadline)

    def _on_deadline(self) -> None:
        self._deadline = None
        is_next = self._awaited is Awaited.HEAD and self.has_request
        if self.flow.read_paused or is_next:
            self._watch()  # The client waits for this server.
        elif not self._has_begun:
            self.transport.close()  # It has not sent anything that could be answered.
        else:
            self.refuse(
                ProblemType.REQUEST_TIMEOUT, f"The rest of its {self._awaited.name.lower()} did not come."
            )

    def _refuse_unreadable(self, error: Exception) -> None:
        if isinstance(error, _HeadTooLargeError) or isinstance(error.__context__, _HeadTooLargeError):
            limits = f"{MAX_HEAD:,} bytes and {MAX_HEADERS} headers"
            self.refuse(ProblemType.HEADERS_TOO_LARGE, f"This server takes at most {limits}.")
        else:
            self.refuse(ProblemType.MALFORMED, "This is no request of HTTP 1.")

    def _can_answer(self) -> bool:
        """Whether nothing else was, or has to be, answered before."""
        if self._awaited is Awaited.HEAD:
            return not self.has_request
        if self.has_request:
            return not self.cycle.response_started and not self.pipeline
        return self._awaited is Awaited.NOTHING

    def _answer(self, problem: ProblemError) -> bytes:
        response = problem_response(problem)
        own = {**HEADERS, "Cache-Control": "no-store", "Connection": "close"}
        headers = [*self.server_state.default_headers, *response.raw_headers]
        headers += [(name.encode(), value.encode()) for name, value in own.items()]
        return _head_of(response.status_code, headers) + bytes(response.body)

    def _set_deadline(self, seconds: float, then: Any) -> None:
        self._end_deadline()
        self._deadline = self.loop.call_later(seconds, then)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _head_of(status: int, headers: Iterable[Header]) -> bytes:
    """An answer up to its body."""
    lines = [name + b": " + value for name, value in headers]
    return STATUS_LINE[status] + b"\r\n".join(lines) + b"\r\n\r\n"


class _HeadTooLargeError(Exception):
    """The parser makes one of its own of it."""
