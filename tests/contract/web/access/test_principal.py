"""Requests that wait for the tokens, and event streams whose token ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager

import pytest
from anyio import to_thread
from starlette.requests import Request

from breakwall.access.known_tokens import LONGEST
from breakwall.access.sessions import LIFE, begin_session, end_session
from breakwall.access.shared_read import REREAD
from breakwall.access.tokens import digest_of
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.web.access.access import Access
from breakwall.web.access.principal import while_allowed
from tests.contract.web.access.protected_app import READ, WRITE, ProtectedApp


def request(api: ProtectedApp, *, token: str | None = None, cookie: str | None = None) -> Request:
    headers = [(b"host", b"127.0.0.1")]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    if cookie is not None:
        headers.append((b"cookie", f"breakwall={cookie}".encode()))
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/events",
            "query_string": b"",
            "headers": headers,
            "server": ("127.0.0.1", 8080),
            "client": ("127.0.0.1", 50_000),
            "app": api.app,
        }
    )


def access(api: ProtectedApp) -> Access:
    found: Access = api.app.state.access
    return found


async def numbers() -> AsyncGenerator[str]:
    for number in range(10):
        yield str(number)


def heard(api: ProtectedApp, listener: Request, between: Callable[[], None]) -> list[str]:
    """What a stream tells of ten events, if ``between`` happens after its second one."""

    async def listen() -> list[str]:
        found = []
        async for event in while_allowed(listener, numbers(), READ):
            found.append(event)
            if len(found) == 2:
                between()
        return found

    return asyncio.run(listen())


@contextmanager
def all_other_threads_hang() -> Iterator[None]:
    """Within it, every thread that pages share waits for a database that does not answer."""
    limiter, answer = to_thread.current_default_thread_limiter(), threading.Event()
    limiter.total_tokens = 2
    hanging = [asyncio.ensure_future(to_thread.run_sync(answer.wait)) for _ in range(3)]
    try:
        yield
        assert not any(one.done() for one in hanging)
    finally:
        answer.set()


def test_a_token_is_checked_while_slow_pages_have_all_threads(api: ProtectedApp) -> None:
    token = api.new_token()

    async def ask() -> str | None:
        with all_other_threads_hang():
            await asyncio.sleep(0)
            return (await asyncio.wait_for(access(api).principal(request(api, token=token)), 60)).name

    assert asyncio.run(ask()) == "anna"


def test_a_stream_goes_on_as_long_as_its_token(api: ProtectedApp) -> None:
    token = api.new_token()
    assert len(heard(api, request(api, token=token), lambda: api.advance(10 * REREAD))) == 10


def test_a_stream_ends_with_its_token(api: ProtectedApp) -> None:
    token = api.new_token()

    def revoke() -> None:
        api.revoke()
        api.advance(REREAD)

    assert heard(api, request(api, token=token), revoke) == ["0", "1"]


def test_a_stream_ends_when_its_token_expires(api: ProtectedApp) -> None:
    token = api.new_token(lasting=60.0)
    assert heard(api, request(api, token=token), lambda: api.advance(60.0)) == ["0", "1"]


def test_a_stream_ends_with_its_session(api: ProtectedApp) -> None:
    digest = digest_of(api.new_token())
    first, second = (begin_session(api.database, digest, clock=api.clock) for _ in range(2))

    def sign_out() -> None:
        end_session(api.database, first)
        api.advance(REREAD)

    assert heard(api, request(api, cookie=first), sign_out) == ["0", "1"]
    assert len(heard(api, request(api, cookie=second), sign_out)) == 10
    assert heard(api, request(api, cookie=second), lambda: api.advance(LIFE)) == ["0", "1"]


def test_a_stream_without_a_token_ends_when_there_is_one(api: ProtectedApp) -> None:
    def make_one() -> None:
        api.new_token()
        api.advance(REREAD)

    assert heard(api, request(api), make_one) == ["0", "1"]


def test_a_stream_needs_its_scope(api: ProtectedApp) -> None:
    token = api.new_token(WRITE)
    assert heard(api, request(api, token=token), lambda: None) == []


def test_a_stream_goes_on_while_the_database_is_down(
    api: ProtectedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = api.new_token()

    def fail(*_: object) -> None:
        raise DatabaseUnavailableError("it is down")

    def break_down() -> None:
        monkeypatch.setattr(api.database, "read", fail)
        api.advance(2 * LONGEST)

    assert len(heard(api, request(api, token=token), break_down)) == 10


def test_the_end_of_a_hundred_streams_is_no_failed_try_and_costs_one_read(
    api: ProtectedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = api.new_token()
    reads = []
    read = api.database.read
    monkeypatch.setattr(api.database, "read", lambda work: (reads.append(work), read(work))[1])
    assert access(api).identify(request(api, token=token)).name == "anna"
    api.revoke()
    api.advance(REREAD)
    ended = [heard(api, request(api, token=token), lambda: None) for _ in range(100)]
    assert ended == [[]] * 100
    assert len(reads) == 2
    assert not access(api)._tries._by_group


def test_a_stream_that_ends_closes_what_it_tells_of(api: ProtectedApp) -> None:
    token = api.new_token()
    closed = []

    async def events() -> AsyncGenerator[str]:
        try:
            yield "0"
        finally:
            closed.append(True)

    async def listen() -> None:
        stream = while_allowed(request(api, token=token), events(), READ)
        await anext(stream)
        await stream.aclose()
        assert closed

    asyncio.run(listen())
