"""Resolves host names within a deadline."""

import socket
import threading
import time
import weakref
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

Address = tuple[socket.AddressFamily, tuple[Any, ...]]

Questions = SimpleQueue[tuple[str, int, Future[list[Address]]] | None]  # None ends the thread.

FRESH = 10.0  # Seconds for which an answer is reused: short enough to follow a fail-over in DNS.


class Resolver:
    """Resolves names for one gateway. Threads may share it.

    ``getaddrinfo`` takes no timeout, and hangs for half a minute if the name servers do not answer. So a daemon thread
    calls it, and callers wait only as long as their deadlines allow. Callers that ask for the same name share one call.
    The thread starts with the first name that is no address, and never delays the process's exit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: Questions = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._answers: dict[tuple[str, int], tuple[float, Future[list[Address]]]] = {}
        # A resolver that is dropped without `close` would leave its thread behind.
        weakref.finalize(self, self._questions.put, None).atexit = False

    def resolve(self, host: str, port: int, *, timeout: float) -> list[Address]:
        """The host's addresses in the system's order of preference.

        `TimeoutError` if there is no answer within ``timeout`` seconds, `OSError` if the name does not resolve.
        """
        try:
            return _ask(host, port, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            pass  # a name, not an address
        try:
            return self._answer(host, port).result(timeout)
        except TimeoutError:
            raise TimeoutError(f"the name {host} did not resolve in time") from None

    def forget(self, host: str, port: int) -> None:
        """Forget the answer, because no address accepted a connection."""
        with self._lock:
            if (kept := self._answers.get((host, port))) and kept[1].done():
                del self._answers[host, port]

    def close(self) -> None:
        with self._lock:
            if self._thread is not None:
                self._questions.put(None)
            self._thread = None

    def _answer(self, host: str, port: int) -> Future[list[Address]]:
        with self._lock:
            asked, answer = self._answers.get((host, port), (0.0, None))
            if answer is not None and (not answer.done() or _usable(answer, asked)):
                return answer
            if self._thread is None:
                thread = threading.Thread(
                    target=_work, args=(self._questions,), name="payment-resolver", daemon=True
                )
                thread.start()  # before anything is recorded: it can fail
                self._thread = thread
            answer = Future()
            self._answers[host, port] = (time.monotonic(), answer)
            self._questions.put((host, port, answer))
            return answer


def _work(questions: Questions) -> None:
    while (question := questions.get()) is not None:
        host, port, answer = question
        try:
            answer.set_result(_ask(host, port))
        except Exception as error:  # the callers that wait must learn of any error
            answer.set_exception(error)


def _usable(answer: Future[list[Address]], asked: float) -> bool:
    return answer.exception() is None and time.monotonic() - asked < FRESH


def _ask(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]
