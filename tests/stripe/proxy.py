"""A proxy in front of localstripe: Stripe's idempotency keys, which localstripe ignores, and faults for one request.

As at Stripe, the first answer under a key is stored, a 500 too, and repeated; what was refused before it was worked on
is not. Parameters that localstripe does not know are left out; `requests` has what was sent.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode

RESET = struct.pack("ii", 1, 0)  # The option of a socket whose end is a reset.
UNKNOWN_TO_LOCALSTRIPE = (
    "description",
    "automatic_payment_methods",
    "error_on_requires_action",
    "off_session",
)


@dataclass(frozen=True)
class Sent:
    """One request as it arrived."""

    action: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def key(self) -> str | None:
        return self.headers.get("idempotency-key")


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def error(status: int, **described: object) -> Answer:
    """An answer of Stripe's that describes an error."""
    return Answer(status, json.dumps({"error": described}).encode(), {"Request-Id": "req_Test1"})


Fault = Callable[["Handler", "Sent"], Answer | None]
"""What happens to a request instead of being passed on. None: the connection is used up."""


def reset_before(handler: Handler, sent: Sent) -> None:
    """The request never arrives."""
    handler.reset()


def reset_after(handler: Handler, sent: Sent) -> None:
    """Stripe works on the request, and its answer is lost."""
    handler.answer_of(sent)
    handler.reset()


def hang_before(handler: Handler, sent: Sent) -> None:
    handler.wait_for_the_client_to_go()
    handler.reset()


def hang_after(handler: Handler, sent: Sent) -> None:
    handler.answer_of(sent)
    handler.wait_for_the_client_to_go()
    handler.reset()


def arrive_late(handler: Handler, sent: Sent) -> None:
    """Stripe gets the request when the client has gone, and `StripeProxy.let_late_requests_arrive` is called."""
    handler.wait_for_the_client_to_go()
    handler.reset()
    handler.proxy.late.append(lambda: handler.answer_of(sent))


def drip(handler: Handler, sent: Sent) -> None:
    """The answer comes byte by byte, for ever."""
    body = handler.answer_of(sent).body
    handler.begin(Answer(200, body), length=100 * len(body))
    handler.drip(body)


def error_500_after(handler: Handler, sent: Sent) -> Answer:
    """Stripe has worked on the request, and then fails; the failure is stored."""
    return handler.answer_of(sent, shown=error(500, type="api_error", message="An error occurred."))


def answering(answer: Answer, *, stored: bool = False) -> Fault:
    """The request is answered so, and not worked on."""

    def fault(handler: Handler, sent: Sent) -> Answer:
        return handler.answer_of(sent, shown=answer, works=False) if stored else answer

    return fault


class StripeProxy(ThreadingHTTPServer):
    """On a port of the loopback, by default a free one.

    ``stand_ins``: by a payment method, the one that localstripe gets instead.
    """

    daemon_threads = True

    def __init__(
        self, stripe_port: int, *, port: int = 0, stand_ins: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.stripe_port = stripe_port
        self.stand_ins = stand_ins or {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[Sent] = []
        self.late: list[Callable[[], object]] = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._faults: dict[str, deque[Fault]] = {}
        self._answers: dict[str, tuple[Sent, Answer | None]] = {}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def next(self, action: str, *faults: Fault) -> None:
        """The next requests of this kind (``create``, ``confirm``, ``cancel``, ``read``) meet these faults."""
        self._faults.setdefault(action, deque()).extend(faults)

    def actions(self) -> list[str]:
        """What was asked, in order."""
        return [sent.action for sent in self.requests]

    def forget_keys(self) -> None:
        """As Stripe does after a day."""
        self._answers.clear()

    def let_late_requests_arrive(self) -> None:
        while self.late:
            self.late.pop(0)()

    def close(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what many tests want."""

    def shutdown_request(self, request: Any) -> None:
        """Without the end of the stream that would come before a reset."""
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESET)) == RESET:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def take_fault(self, sent: Sent) -> Fault | None:
        with self._lock:
            self.requests.append(sent)
            faults = self._faults.get(sent.action)
            return faults.popleft() if faults else None

    def under_key(self, sent: Sent, work: Callable[[], Answer]) -> Answer:
        """The answer that is stored under the request's key, or a new one."""
        if sent.key is None or sent.action == "read":
            return work()
        with self._lock:
            known = self._answers.get(sent.key)
            if known is not None:
                return _repeated(sent, *known)
            self._answers[sent.key] = (sent, None)
        answer = work()
        with self._lock:
            if answer.status < 300 or answer.status in {402, 500}:
                self._answers[sent.key] = (sent, answer)
            else:
                del self._answers[sent.key]
        return answer


def _repeated(sent: Sent, first: Sent, answer: Answer | None) -> Answer:
    if (first.path, first.body) != (sent.path, sent.body):
        text = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return error(400, type="idempotency_error", message=text)
    if answer is None:
        return error(409, type="idempotency_error", code="idempotency_key_in_use", message="In use.")
    return Answer(answer.status, answer.body, {**answer.headers, "Idempotent-Replayed": "true"})


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: StripeProxy

    @property
    def proxy(self) -> StripeProxy:
        return self.server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def answer_of(self, sent: Sent, *, shown: Answer | None = None, works: bool = True) -> Answer:
        """Stripe's answer, or ``shown``, stored under the request's key."""

        def work() -> Answer:
            answer = self._pass_on(sent) if works else None
            return shown or answer or error(500, type="api_error")

        return self.server.under_key(sent, work)

    def begin(self, answer: Answer, *, length: int | None = None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body) if length is None else length))
        self.end_headers()

    def drip(self, data: bytes) -> None:
        while True:
            for byte in data:
                self.wfile.write(bytes([byte]))
                if self.server.stopping.wait(0.02):
                    return

    def wait_for_the_client_to_go(self) -> None:
        self.connection.settimeout(20)
        with suppress(OSError):  # it may go with a reset
            self.connection.recv(1)

    def reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def _serve(self) -> None:
        sent = self._read()
        fault = self.server.take_fault(sent)
        answer = self.answer_of(sent) if fault is None else fault(self, sent)
        if answer is None:
            self.close_connection = True
            return
        self.begin(answer)
        self.wfile.write(answer.body)

    def _read(self) -> Sent:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        last = self.path.partition("?")[0].rsplit("/", 1)[-1]
        action = "read" if self.command == "GET" else {"payment_intents": "create"}.get(last, last)
        return Sent(action, self.path, headers, body)

    def _pass_on(self, sent: Sent) -> Answer:
        known = [
            (name, self.server.stand_ins.get(value, value) if name == "payment_method" else value)
            for name, value in parse_qsl(sent.body.decode())
            if not name.startswith(UNKNOWN_TO_LOCALSTRIPE)
        ]
        connection = HTTPConnection("127.0.0.1", self.server.stripe_port, timeout=60)
        headers = {
            name: sent.headers[name] for name in ("authorization", "content-type") if name in sent.headers
        }
        connection.request(self.command, sent.path, urlencode(known), headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return Answer(answer.status, body)
