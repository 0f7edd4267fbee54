"""Requests that nobody should send, to a real process: it lives, and says nothing of its inside."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Callable
from contextlib import suppress

from breakwall.access.tokens import digest_of, new_token
from tests.command import Terminal
from tests.integration.web.conftest import RunningApi, StartApi

SEED = 20_261_129
REQUESTS = 300
TOKEN = new_token()

Make = Callable[[random.Random], bytes]

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "BREW")
READ = (
    "/ /orders /orders/{} /audit /bulk-retries/{} /login /static/{} /page/history /metrics /healthz "
    "/readyz /openapi.json /problems/{} /v1/orders /v1/orders/{} /v1/bulk-retries /v1/bulk-retries/{} "
    "/v1/backlog /v1/backlog/history /v1/workers /v1/breakers/{} /v1/queue /v1/audit /{}"
).split()
CHANGED = (
    "/login /logout /v1/orders /v1/orders /v1/orders/batch /v1/orders/{}/retry /v1/orders/{}/cancel "
    "/v1/orders/{}/resolve /v1/bulk-retries /v1/bulk-retries/{}/abort /v1/breakers/payment/override "
    "/v1/breakers/payment/probe /v1/queue/pause /v1/queue/resume /v1/queue/rate /v1/hooks/payment"
).split()
QUERIES = ("limit", "after", "by", "status", "since", "until", "points", "name", "lang", "next", "wait")
HEADERS = (
    "Authorization Cookie Host Origin Referer Sec-Fetch-Site Prefer Idempotency-Key Accept Accept- "
    "Language Content-Type Content-Encoding Expect Forwarded X-Forwarded-For X-Forwarded-Proto Via "
    "traceparent Stripe-Signature Range Upgrade Connection If-None-Match Last-Event-ID webhook-signature"
).split()
ODD = (
    "",
    "0",
    "-1",
    "1e999",
    "NaN",
    "null",
    "a" * 5000,
    "\x00",
    "é漢😀",
    "%00",
    "%ff%fe",
    "%ED%A0%80",
    "../../etc/passwd",
    "' OR 1=1 --",
    "{{7*7}}",
    "<script>",
    "1" * 400,
    "v1=é",
    'wait=0;a="' + " " * 300,
    "http://[",
    "Bearer ",
    "]" * 50,
    "2026-13-45T99:99:99Z",
    "9999-12-31T23:59:59Z",
    '"\\"',
    "=;,=",
    "t=1,v1=a",
    "gzip",
    "100-continue",
    "h2c",
    "bytes=0-",
)
JSON = (
    "{}",
    "[]",
    "null",
    "1",
    '"',
    "{" * 20_000,
    "[" * 20_000 + "]" * 20_000,
    '{"user_id":"u","amount":1,"currency":"KRW"}',
    '{"user_id":"\\ud800","amount":1e400,"currency":"\\u0000"}',
    '{"reason":"\\u0000","actor":{}}',
    '{"amount":NaN}',
    '{"orders":[{},1,null,{"idempotency_key":"\\u0000"}]}',
    '{"reason":"x","mode":"observe","for_seconds":1e308}',
    '{"reason":"x","selection":{"statuses":["dead"],"older_than":1e999}}',
    '{"reason":"x","result":"paid","charge_id":1}',
    '{"order_id":"\\udfff"}',
    '{"reason":"x","per_second":1e-320}',
    '{"a":' * 5000,
    "\ufeff{}",
    '{"amount":' + "9" * 5000 + "}",
)


def odd(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(1, 0x3000)))) for _ in range(20))
    return rng.choice(ODD)


def target(rng: random.Random, paths: list[str]) -> bytes:
    path = rng.choice(paths).replace("{}", odd(rng) or "x")
    asked = "&".join(f"{rng.choice(QUERIES[:-1])}={odd(rng)}" for _ in range(rng.randrange(3)))
    raw = f"{path}?{asked}" if asked else path
    kept = bytes(byte for byte in raw.encode("utf-8", "surrogatepass") if byte > 32)
    return (
        kept
        if rng.random() < 0.05
        else b"".join(b"%%%02x" % byte if byte > 126 else bytes([byte]) for byte in kept)
    )


def body_of(rng: random.Random) -> bytes:
    if rng.random() < 0.2:
        return rng.randbytes(rng.randrange(2000))
    return rng.choice(JSON).encode()


def complete(rng: random.Random) -> bytes:
    """A request in the form of HTTP, with anything in it."""
    changes = rng.random() < 0.6
    usual = ("POST", "POST", "PUT") if changes else ("GET", "HEAD")
    method = rng.choice(usual if rng.random() < 0.9 else METHODS).encode()
    body = body_of(rng) if changes else b""
    headers = {"Host": "127.0.0.1", "Content-Length": str(len(body)), "Content-Type": "application/json"}
    if rng.random() < 0.8:
        headers["Authorization"] = f"Bearer {TOKEN}"
    headers["Idempotency-Key"] = odd(rng) or "k"
    headers |= {rng.choice(HEADERS): odd(rng) for _ in range(rng.randrange(4))}
    headers.pop("Connection", None)
    lines = "".join(f"{name}: {' '.join(value.splitlines())}\r\n" for name, value in headers.items())
    address = target(rng, CHANGED if changes else READ)
    return method + b" " + address + b" HTTP/1.1\r\n" + lines.encode().replace(b"\x00", b"") + b"\r\n" + body


def broken(rng: random.Random) -> bytes:
    """A part of one, or one with some bytes changed."""
    whole = bytearray(complete(rng))
    if rng.random() < 0.5:
        return bytes(whole[: rng.randrange(len(whole))])
    for _ in range(rng.randrange(1, 6)):
        whole[rng.randrange(len(whole))] = rng.randrange(256)
    return bytes(whole)


def answer_to(api: RunningApi, request: bytes) -> bytes:
    """The head of the answer and the first part of its body; nothing, if the request was no whole one."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=60.0) as client:
        with suppress(ConnectionError):  # It may be refused while it is sent.
            client.sendall(request)
        said = b""
        with suppress(ConnectionError):
            while b"\r\n\r\n" not in said and (more := client.recv(65_536)):
                said += more
            length = re.search(rb"(?i)content-length: (\d+)", said)
            _, _, first = said.partition(b"\r\n\r\n")
            if length is not None and not first and int(length[1]) and not request.startswith(b"HEAD"):
                said += client.recv(65_536)
        return said


def check(request: bytes, said: bytes) -> None:
    status = re.match(rb"HTTP/1\.1 (\d+)", said)
    assert status is None or int(status[1]) < 500 or int(status[1]) == 503, (request[:300], said[:500])
    assert not re.search(rb'Traceback|File "|\.py\b|sqlalchemy|psycopg', said), (request[:300], said[:500])


def test_no_request_crashes_it_or_shows_its_inside(terminal: Terminal, start_api: StartApi) -> None:
    terminal.set(API_TOKENS=f"fuzz:orders:write+ops:read+ops:write:{digest_of(TOKEN)}", SITE="fuzz")
    api, rng = start_api(), random.Random(SEED)
    left: list[tuple[bytes, socket.socket]] = []
    statuses = set()
    for _ in range(REQUESTS):
        request = complete(rng)
        said = answer_to(api, request)
        check(request, said)
        statuses.add(said[9:12])
        if rng.random() < 0.3:
            half = broken(rng)
            client = socket.create_connection(("127.0.0.1", api.port), timeout=60.0)
            left.append((half, client))
            with suppress(ConnectionError):
                client.sendall(half)
    for half, client in left:
        client.setblocking(False)
        with suppress(BlockingIOError, ConnectionError):
            check(half, client.recv(65_536))
        client.close()
    assert api.request("GET", "/healthz").status == 200
    assert "Traceback" not in api.text
    assert {b"200", b"400", b"401", b"404", b"405", b"422"} <= statuses
