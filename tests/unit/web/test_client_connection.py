"""Real sockets, over an event loop whose time stands still until a test moves it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from breakwall.web import client_connection
from breakwall.web.client_connection import (
    ANSWER_TIMEOUT,
    IDLE_TIMEOUT,
    LINGER,
    MAX_HEAD,
    MAX_HEADERS,
    Awaited,
    ClientConnection,
)
from breakwall.web.problems import ProblemType
from breakwall.web.whole_answers import send_whole

HEAD, BODY = Awaited.HEAD.value, Awaited.BODY.value
assert HEAD is not None
assert BODY is not None

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class StillLoop(asyncio.SelectorEventLoop):
    """Its timers run when a test moves the time, its sockets at once."""

    moved = 0.0

    def time(self) -> float:
        return self.moved


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """The next answer on the connection: its status and body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head.split()[1]), await self.reader.readexactly(int(length.split(b":")[1]))

    async def rest(self) -> bytes:
        """Until the server closes."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""


def refusal_in(said: bytes) -> dict[str, Any]:
    """The problem document of an answer that closes the connection."""
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"content-type: application/problem+json" in head
    document: dict[str, Any] = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % document["status"])
    return document


class Server:
    """An application behind `ClientConnection`, in the loop of the test."""

    def __init__(self, loop: StillLoop) -> None:
        self.loop = loop
        self.state = ServerState()
        self.seen: list[bytes] = []  # The requests that the application has read to their end.
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.released = asyncio.Event()
        self._config = uvicorn.Config(
            self.app, interface="asgi3", ws="none", log_config=None, timeout_keep_alive=IDLE_TIMEOUT
        )

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith("/wait"):
            await self.released.wait()
        if path == "/whole":
            await Request(scope, receive).body()
            await send_whole(scope, send, 202, [(b"x-own", b"1")], b"whole")
            return
        text = {"/long": "long" * 10_000_000, "/unread": "not read", "/wait/unread": "not read"}.get(path)
        answer = await self._read(scope, receive) if text is None else PlainTextResponse(text)
        await answer(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> Response:
        body = await Request(scope, receive).body()
        self.seen.append(body)
        self.headers.append(list(scope["headers"]))
        return JSONResponse({"path": scope["path"], "size": len(body)})

    async def start(self) -> None:
        make = lambda: ClientConnection(self._config, self.state, {}, _loop=self.loop)  # noqa: E731
        self.listening = await self.loop.create_server(make, "127.0.0.1", 0)
        self.address = self.listening.sockets[0].getsockname()[:2]

    async def connect(self, **options: Any) -> Client:
        client = Client(*await asyncio.open_connection(*self.address, **options))
        await self.until(lambda: self.state.connections)
        return client

    async def pass_time(self, seconds: float) -> None:
        await self.turn()
        self.loop.moved += seconds
        await self.turn()

    async def turn(self) -> None:
        """Until what was sent is read: sockets of this machine need some turns of the loop."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def until(self, holds: Callable[[], object]) -> None:
        while not holds():
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.listening.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


Scenario = Callable[[Server], Coroutine[Any, Any, None]]


@pytest.fixture
def play() -> Callable[[Scenario], None]:
    def run(scenario: Scenario) -> None:
        loop = StillLoop()

        async def whole() -> None:
            server = Server(loop)
            await server.start()
            try:
                await scenario(server)
            finally:
                await server.close()

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(whole())

    return run


Play = Callable[[Scenario], None]


async def refused(client: Client, type_: ProblemType) -> None:
    assert refusal_in(await client.rest())["type"] == type_.address


def head_of(size: int) -> bytes:
    """A whole head with so many bytes of one header."""
    return b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * size + b"\r\n\r\n"


def test_requests_are_answered_one_after_another_on_a_connection(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        for _ in range(3):
            await client.send(GET)
            assert (await client.answer())[0] == 200
        await client.send(GET * 3)
        assert [(await client.answer())[0] for _ in range(3)] == [200] * 3

    play(scenario)


def test_requests_before_something_else_are_not_answered_into_the_closed_connection(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(GET.replace(b"/hello", b"/wait/unread") + GET + b"no request\r\n\r\n")
        assert await client.rest() == b""
        server.released.set()
        await server.until(lambda: not server.state.tasks)

    play(scenario)
    assert not [record for record in caplog.records if record.exc_info]


def test_a_head_may_come_in_pieces(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        for at in range(len(GET)):
            await client.send(GET[at : at + 1])
            await server.turn()
        assert (await client.answer())[0] == 200

    play(scenario)


def test_a_large_head_below_the_bound_is_read(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(head_of(MAX_HEAD - 1000))
        assert (await client.answer())[0] == 200

    play(scenario)


def test_as_many_headers_as_the_bound_says_are_read(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(GET[:-2] + b"a: b\r\n" * (MAX_HEADERS - 1) + b"\r\n")
        assert (await client.answer())[0] == 200

    play(scenario)


@pytest.mark.parametrize(
    "head",
    [
        head_of(MAX_HEAD + 1),
        head_of(MAX_HEAD + 1)[:-2],
        head_of(50 * MAX_HEAD),
        b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 20_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * (MAX_HEADERS + 1),
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * MAX_HEADERS + b"\r\n",
    ],
    ids=[
        "whole",
        "unfinished",
        "far too large",
        "url",
        "many headers",
        "a header too many, unfinished",
        "a header too many, at once",
    ],
)
def test_too_large_a_head_is_refused_with_431(play: Play, head: bytes) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(head)
        await refused(client, ProblemType.HEADERS_TOO_LARGE)
        assert server.seen == []

    play(scenario)


def test_a_client_that_sends_on_can_read_why_it_was_refused(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(head_of(MAX_HEAD + 1))
        for _ in range(20):
            await client.send(b"more" * 10_000)
        await refused(client, ProblemType.HEADERS_TOO_LARGE)

    play(scenario)


def test_a_refused_connection_ends_though_its_client_never_stops(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(head_of(MAX_HEAD + 1))
        await server.pass_time(LINGER)
        await server.until(lambda: not server.state.connections)

    play(scenario)


@pytest.mark.parametrize("flood", [b"X: " + b"a" * 100 * MAX_HEAD, b"a: b\r\n" * 50_000])
def test_trailers_are_bounded_like_headers(play: Play, flood: bytes) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(CHUNKED + b"2\r\n{}\r\n0\r\n" + flood)
        await refused(client, ProblemType.HEADERS_TOO_LARGE)

    play(scenario)


def test_a_trailer_is_no_header(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(CHUNKED + b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n" + GET)
        assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
        assert [len(headers) for headers in server.headers] == [2, 1]

    play(scenario)


def test_a_body_of_many_small_chunks_is_no_large_head(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(CHUNKED + b"1\r\na\r\n" * MAX_HEAD + b"0\r\n\r\n")
        assert json.loads((await client.answer())[1])["size"] == MAX_HEAD

    play(scenario)


def test_a_head_that_does_not_end_in_time_is_refused_with_408(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(GET[:-2])
        for _ in range(3):
            await server.pass_time(HEAD / 3 - 0.1)
            await client.send(b"X: y\r\n")  # A byte now and then does not help.
        assert server.state.connections
        await server.pass_time(0.3)
        await refused(client, ProblemType.REQUEST_TIMEOUT)

    play(scenario)


def test_a_connection_without_a_request_is_closed_without_a_word(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await server.pass_time(HEAD)
        assert await client.rest() == b""

    play(scenario)


def test_a_body_that_does_not_end_in_time_is_refused_with_408(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(HALF_POST)
        await server.pass_time(BODY - 1)
        await client.send(b"y")
        await server.pass_time(0.9)
        assert server.state.connections
        await server.pass_time(0.1)
        await refused(client, ProblemType.REQUEST_TIMEOUT)
        await server.until(lambda: not server.state.tasks)  # Nothing waits for it any more.
        assert server.seen == []

    play(scenario)


def test_the_body_of_a_request_that_is_answered_may_not_come_for_ever(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(HALF_POST.replace(b"/echo", b"/unread"))
        assert (await client.answer())[0] == 200
        await server.pass_time(BODY - 1)
        await client.send(b"y")
        await server.pass_time(1)
        assert await client.rest() == b""

    play(scenario)


def test_a_slow_answer_is_no_slow_request(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(GET.replace(b"/hello", b"/wait") + GET[:-2])  # The start of the next one, too.
        await server.pass_time(10 * BODY)
        server.released.set()
        assert (await client.answer())[0] == 200
        await client.send(b"\r\n")
        assert (await client.answer())[0] == 200

    play(scenario)


def test_a_connection_is_kept_idle_for_a_while(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        for _ in range(3):
            await client.send(GET)
            assert (await client.answer())[0] == 200
            await server.pass_time(IDLE_TIMEOUT - 1)
        await client.send(b"\r\n")  # Not the begin of a request.
        await server.pass_time(1)
        assert await client.rest() == b""

    play(scenario)


def test_a_client_that_does_not_read_its_answer_loses_the_connection(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect(limit=1)
        await client.send(GET.replace(b"/hello", b"/long"))
        (connection,) = server.state.connections
        assert isinstance(connection, ClientConnection)
        await server.until(lambda: connection.flow.write_paused)
        await server.pass_time(ANSWER_TIMEOUT)
        await server.until(lambda: not server.state.connections)

    play(scenario)


WHOLE = GET.replace(b"/hello", b"/whole")


def test_an_answer_may_be_written_as_a_whole(play: Play) -> None:
    async def scenario(server: Server) -> None:
        server.state.default_headers = [(b"date", b"today")]
        client = await server.connect()
        for _ in range(2):
            await client.send(WHOLE)
            said = await client.reader.readuntil(b"whole")
            assert said == (
                b"HTTP/1.1 202 Accepted\r\ndate: today\r\ncontent-length: 5\r\nx-own: 1\r\n\r\nwhole"
            )
        await client.send(WHOLE + GET + WHOLE)
        assert [(await client.answer())[0] for _ in range(3)] == [202, 200, 202]

    play(scenario)


def test_the_last_answer_says_so_also_as_a_whole(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        await client.send(WHOLE.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        assert body == b"whole"

    play(scenario)


def test_nothing_is_written_to_a_client_that_was_refused(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        post = WHOLE.replace(b"GET", b"POST").replace(b"Host: x", b"Host: x\r\nContent-Length: 5")
        await client.send(post)
        await server.pass_time(BODY)
        await refused(client, ProblemType.REQUEST_TIMEOUT)

    play(scenario)


def test_what_is_no_http_is_refused_with_400(play: Play) -> None:
    async def scenario(server: Server) -> None:
        for said in (
            b"HELO shop\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"CONNECT x:1 HTTP/1.1\r\n\r\n",
        ):
            client = await server.connect()
            await client.send(said + b"\r\n\r\n")
            await refused(client, ProblemType.MALFORMED)

    play(scenario)


def test_a_request_to_speak_another_protocol_is_answered_in_this_one(play: Play) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        asks = (
            b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ"
        )
        await client.send(GET.replace(b"Host: x", asks))
        assert (await client.answer())[0] == 200
        await client.send(GET)
        assert (await client.answer())[0] == 200

    play(scenario)


def test_a_new_connection_takes_the_place_of_the_one_that_is_idle_longest(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "MOST_CONNECTIONS", 3)

    async def scenario(server: Server) -> None:
        busy = await server.connect()
        await busy.send(GET.replace(b"/hello", b"/wait"))
        await server.pass_time(1)
        oldest, younger = await server.connect(), None
        await server.pass_time(1)
        younger = await server.connect()
        await server.turn()
        newest = await server.connect()
        assert await oldest.rest() == b""
        server.released.set()
        for client in (busy, younger, newest):
            await client.send(GET)
            assert (await client.answer())[0] == 200

    play(scenario)


def test_bodies_that_do_not_come_keep_no_place_from_a_new_connection(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_connection, "MOST_CONNECTIONS", 3)

    async def scenario(server: Server) -> None:
        busy = await server.connect()
        await busy.send(GET.replace(b"/hello", b"/wait"))
        slow = []
        for _ in range(2):
            await server.pass_time(1)
            slow.append(await server.connect())
            await slow[-1].send(HALF_POST)
        await server.turn()
        new = await server.connect()
        await new.send(GET)
        assert (await new.answer())[0] == 200
        assert await slow[0].rest() == b""
        newer = await server.connect()
        assert await new.rest() == b""  # It is idle now, and those go first.
        server.released.set()
        await slow[1].send(b"123456")
        await newer.send(GET)
        for client in (busy, slow[1], newer):
            assert (await client.answer())[0] == 200

    play(scenario)


def test_a_connection_too_many_is_refused_with_503(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_connection, "MOST_CONNECTIONS", 2)

    async def scenario(server: Server) -> None:
        busy = [await server.connect() for _ in range(2)]
        for client in busy:
            await client.send(GET.replace(b"/hello", b"/wait"))
        await server.turn()
        await refused(await server.connect(), ProblemType.UNAVAILABLE)
        server.released.set()
        assert [(await client.answer())[0] for client in busy] == [200, 200]

    play(scenario)
