"""Names become addresses within the caller's time."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from breakwall.payments.gateways.transport import resolver as resolver_module
from breakwall.payments.gateways.transport.resolver import Resolver
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    resolver = Resolver()
    yield resolver
    resolver.close()


class Names:
    """A name service whose answers the test writes; addresses it leaves to the system."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, int]] = []
        self.threads: set[int] = set()
        self.reply: Callable[[], Any] = lambda: FOUND
        self._system = socket.getaddrinfo
        monkeypatch.setattr(resolver_module.socket, "getaddrinfo", self._ask)

    def _ask(self, host: str, port: int, flags: int = 0, **kwargs: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return self._system(host, port, flags=flags, **kwargs)
        self.asked.append((host, port))
        self.threads.add(threading.get_ident())
        return self.reply()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_an_address_needs_no_name_service_and_no_thread(
    resolver: Resolver, names: Names, host: str, family: int
) -> None:
    before = threading.active_count()
    assert [found for found, _ in resolver.resolve(host, 80, timeout=0)] == [family]
    assert names.asked == []
    assert threading.active_count() == before


def test_a_hung_name_service_costs_no_more_than_the_callers_time(resolver: Resolver, names: Names) -> None:
    release = threading.Event()
    names.reply = lambda: release.wait(30) and FOUND
    watch = Stopwatch()
    with pytest.raises(TimeoutError, match=r"pay\.example"):
        resolver.resolve("pay.example", 80, timeout=0.05)
    assert watch.seconds < 0.3
    release.set()


def test_all_callers_that_wait_share_one_call(resolver: Resolver, names: Names) -> None:
    release = threading.Event()
    names.reply = lambda: release.wait(30) and FOUND
    for _ in range(5):
        with pytest.raises(TimeoutError):
            resolver.resolve("pay.example", 80, timeout=0.01)
    release.set()
    assert resolver.resolve("pay.example", 80, timeout=5) == [(socket.AF_INET, ("192.0.2.1", 80))]
    assert names.asked == [("pay.example", 80)]


def test_one_thread_asks_however_many_names_there_are(resolver: Resolver, names: Names) -> None:
    for number in range(5):
        resolver.resolve(f"pay{number}.example", 80, timeout=5)
    assert len(names.threads) == 1
    assert threading.get_ident() not in names.threads


def test_a_fresh_answer_is_used_again(resolver: Resolver, names: Names) -> None:
    for _ in range(3):
        resolver.resolve("pay.example", 80, timeout=5)
    assert len(names.asked) == 1


def test_an_old_answer_is_asked_for_again(
    resolver: Resolver, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver.resolve("pay.example", 80, timeout=5)
    later = time.monotonic() + resolver_module.FRESH + 1
    monkeypatch.setattr(resolver_module.time, "monotonic", lambda: later)
    resolver.resolve("pay.example", 80, timeout=5)
    assert len(names.asked) == 2


def test_a_forgotten_answer_is_asked_for_again(resolver: Resolver, names: Names) -> None:
    resolver.resolve("pay.example", 80, timeout=5)
    resolver.forget("pay.example", 80)
    resolver.resolve("pay.example", 80, timeout=5)
    assert len(names.asked) == 2


def test_a_failure_is_raised_and_not_kept(resolver: Resolver, names: Names) -> None:
    def fail() -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown name")

    names.reply = fail
    with pytest.raises(socket.gaierror, match="unknown name"):
        resolver.resolve("pay.example", 80, timeout=5)
    names.reply = lambda: FOUND
    assert resolver.resolve("pay.example", 80, timeout=5)


def test_it_can_be_used_again_after_closing(resolver: Resolver, names: Names) -> None:
    resolver.resolve("a.example", 80, timeout=5)
    resolver.close()
    assert resolver.resolve("b.example", 80, timeout=5)


def test_a_resolver_that_is_dropped_ends_its_thread(names: Names) -> None:
    dropped = Resolver()
    dropped.resolve("shop.example", 80, timeout=30)
    thread = dropped._thread
    assert thread is not None
    del dropped
    gc.collect()
    wait_until(lambda: not thread.is_alive())
