"""Every cell of docs/breaker-comparison.md is what the installed libraries do."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import files, metadata, requires
from pathlib import Path
from typing import Any

import circuitbreaker
import purgatory
import pybreaker
import pytest

from breakwall import breaker
from breakwall.breaker import CircuitBreakerConfig, store_from_redis
from breakwall.urls.stores import DATABASES
from tests.contract.breaker.peers import (
    LONG,
    PEERS,
    SHORT,
    Breakwall,
    Circuitbreaker,
    Peer,
    Purgatory,
    Pybreaker,
    RunningCall,
    ServiceError,
)
from tests.servers import RedisServer
from tests.source_tree import ROOT

PAGE = (ROOT / "docs" / "breaker-comparison.md").read_text(encoding="utf-8")
BY_NAME = {peer.name: peer for peer in PEERS}
WITH_REDIS = (Breakwall, Pybreaker, Purgatory)
UNKNOWN_AFTER = 10.0  # Seconds after which a call that has not begun counts as one that waits for another.
WAITS = {
    Pybreaker: 1.0
}  # Of a library that is known to let calls wait, a short look shows whether that has changed.

Kind = type[Peer]
Check = Callable[[Kind], str]
ROWS: dict[str, Check] = {}


def read_table() -> dict[str, dict[str, str]]:
    """The cells of the page's first table, by the row's question and the library's name."""
    first = re.search(r"^\| question .*?\n\n", PAGE, re.M | re.S)
    assert first is not None
    heads, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in first[0].strip().splitlines()
    ]
    return {cells[0]: dict(zip(heads[1:], cells[1:], strict=True)) for cells in rows}


def row(question: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        ROWS[question] = check
        return check

    return register


def yes(answer: object) -> str:
    return "yes" if answer else "no"


def parameters(kind: Kind) -> str:
    """The names of all options of the library's breaker."""
    made = CircuitBreakerConfig if kind is Breakwall else type(kind().breaker)
    return " ".join(inspect.signature(made).parameters)


def sources(kind: Kind) -> list[Path]:
    """The library's files; of Breakwall those of the breaker."""
    if kind is Breakwall:
        return list((ROOT / "breakwall" / "breaker").rglob("*.py"))
    return [Path(str(file.locate())) for file in files(kind.name) or [] if file.suffix == ".py"]


# --- when it opens


@row("opens after failures in a row")
def _(kind: Kind) -> str:
    peer = kind()
    peer.fail(3)
    return yes(peer.is_open)


@row("opens if four of five calls fail")
def _(kind: Kind) -> str:
    peer = kind()
    for _ in range(8):
        for _ in range(2):
            peer.fail(2)
            if peer.is_open:
                return "yes"
    return "no"


@row("counts a slow answer as a failure")
def _(kind: Kind) -> str:
    return yes("slow" in parameters(kind))


@row("asks a predicate of yours about an exception")
def _(kind: Kind) -> str:
    def harmless(error: Exception) -> bool:
        return "harmless" in str(error)

    options: dict[Kind, dict[str, Any]] = {
        Breakwall: {"is_failure": lambda error: not harmless(error)},
        Pybreaker: {"exclude": [harmless]},
        Circuitbreaker: {"expected_exception": lambda _, error: not harmless(error)},
        Purgatory: {"exclude": [(ServiceError, harmless)]},
    }
    peer = kind(**options[kind])
    peer.fail(5, ServiceError("harmless"))
    stayed_closed = not peer.is_open
    peer.fail(9)
    return yes(stayed_closed and peer.is_open)


@row("asks a predicate of yours about a result")
def _(kind: Kind) -> str:
    return yes("result" in parameters(kind))


@row("an exception can count as nothing, neither failure nor success")
def _(kind: Kind) -> str:
    options: dict[Kind, dict[str, Any]] = {
        Breakwall: {"neutral_exception": KeyError},
        Pybreaker: {"exclude": [KeyError]},
        Circuitbreaker: {"expected_exception": ServiceError},
        Purgatory: {"exclude": [KeyError]},
    }
    peer = kind(**options[kind])
    peer.fail(2)
    peer.fail(1, KeyError())
    peer.fail(1)
    return yes(peer.is_open)


# --- calls at the same time


def a_second_call_runs(peer: Peer, first: RunningCall) -> bool:
    """Whether another call begins while the first one runs, which then ends: the other one may wait for it."""
    with peer.running() as second:
        runs = second.runs(WAITS.get(type(peer), UNKNOWN_AFTER))
        first.end()
    return runs


@row("calls of several threads run at the same time")
def _(kind: Kind) -> str:
    peer = kind()
    with peer.running() as first:
        assert first.runs(30)
        return yes(a_second_call_runs(peer, first))


@row("a half-open circuit lets one call of a process through")
def _(kind: Kind) -> str:
    peer = kind(recovery=SHORT)
    peer.fail(3)
    peer.recover()
    with peer.running() as first:
        assert first.runs(30)
        return yes(not a_second_call_runs(peer, first))


@row("a call that began before the outage changes nothing after it")
def _(kind: Kind) -> str:
    peer = kind(recovery=SHORT)
    with peer.running() as before:
        assert before.runs(30)
        if kind is Pybreaker:
            return "–"  # No other call runs meanwhile, as another row says.
        peer.fail(3)
        peer.recover()
        with peer.running() as probe:
            assert probe.runs(30)
            before.end()
            probe.end(ServiceError())
        return yes(peer.is_open)


@row("each failed probe makes the next pause longer")
def _(kind: Kind) -> str:
    peer = kind(recovery=SHORT)
    peer.fail(3)
    peer.recover()
    peer.fail(1)
    peer.recover()
    return yes(peer.is_open)


@row("can ask for several successful probes before it closes")
def _(kind: Kind) -> str:
    return yes(any(name in parameters(kind) for name in ("half_open_max_calls", "success_threshold")))


# --- several processes


@pytest.fixture
def redis_of_test(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REDIS_URL", redis_url)


REDIS_URL = ""


@contextlib.contextmanager
def processes(kind: Kind, number: int, recovery: float = LONG) -> Iterator[list[Peer]]:
    """Breakers of one circuit in Redis, as if each were in a process of its own."""
    peers = [kind(REDIS_URL, recovery) for _ in range(number)]
    yield peers
    for peer in peers:
        peer.close()


@row("processes share a circuit through")
def _(kind: Kind) -> str:
    if kind not in WITH_REDIS:
        return "–"
    with processes(kind, 2) as (one, other):
        one.fail(3)
        assert other.is_open
    if kind is Breakwall:
        assert DATABASES == ("sqlite", "postgresql")
        return "Redis, PostgreSQL, SQLite"
    if kind is Purgatory:
        plain = purgatory.SyncCircuitBreakerFactory(uow=purgatory.SyncRedisUnitOfWork(REDIS_URL))
        with pytest.warns(RuntimeWarning, match="never awaited"), pytest.raises(TypeError):
            plain("plain")(int)()
        return "Redis (asyncio only)"
    return "Redis"


@row("failures of several processes add up")
def _(kind: Kind) -> str:
    if kind not in WITH_REDIS:
        return "–"
    with processes(kind, 4) as (*failing, last):
        for peer in failing:
            peer.fail(1)
        return yes(last.is_open)


@row("a half-open circuit lets one call of all processes through")
def _(kind: Kind) -> str:
    if kind not in WITH_REDIS:
        return "–"
    with processes(kind, 2, SHORT) as (one, other):
        one.fail(3)
        one.recover()
        with one.running() as first:
            assert first.runs(30)
            return yes(not a_second_call_runs(other, first))


@row("takes a Redis client of yours")
def _(kind: Kind) -> str:
    if kind not in WITH_REDIS:
        return "–"
    takes = {
        Breakwall: store_from_redis,
        Pybreaker: pybreaker.CircuitRedisStorage,
        Purgatory: purgatory.AsyncRedisUnitOfWork,
    }
    return yes({"client", "redis_object"} & set(inspect.signature(takes[kind]).parameters))


# --- how it is called


@row("in a `with` block")
def _(kind: Kind) -> str:
    blocks: dict[Kind, tuple[str, Callable[[Any], Any]]] = {
        Breakwall: ("`breaker.acquire()`", lambda breaker: breaker.acquire()),
        Pybreaker: ("`breaker.calling()`", lambda breaker: breaker.calling()),
        Circuitbreaker: ("`breaker`", lambda breaker: breaker),
        Purgatory: ("`factory.get_breaker(name)`", lambda factory: factory.get_breaker("peer")),
    }
    peer = kind()
    text, block = blocks[kind]
    peer.fail(3)
    with contextlib.suppress(Exception), block(peer.breaker):
        return f"{text}, refuses nothing"
    return text


@row("coroutine functions")
def _(kind: Kind) -> str:
    async def failing() -> None:
        await asyncio.sleep(0)
        raise ServiceError

    async def run(call: Callable[[], Any]) -> None:
        for _ in range(3):
            with contextlib.suppress(ServiceError):
                await call()

    peer = kind()
    if kind is Purgatory:
        factory = purgatory.AsyncCircuitBreakerFactory(3, 60)
        asyncio.run(run(factory("peer")(failing)))
        state = asyncio.run(factory.get_breaker("peer")).context.state
        return yes(state == "opened")
    decorated = peer.breaker.protect(failing) if kind is Breakwall else peer.breaker(failing)
    asyncio.run(run(decorated))
    if peer.is_open:
        return "yes"
    return "with Tornado" if hasattr(peer.breaker, "call_async") else "no"


@row("generator functions, while they are read")
def _(kind: Kind) -> str:
    def stream() -> Iterator[int]:
        yield 1
        raise ServiceError

    peer = kind()
    for _ in range(3):
        with contextlib.suppress(ServiceError, TypeError, Exception):
            decorate = {
                Breakwall: lambda: peer.breaker.protect(stream),
                Purgatory: lambda: peer.breaker("peer")(stream),
            }.get(kind, lambda: peer.breaker(stream))
            list(decorate()())
    return yes(peer.is_open)


@row("a fallback for refused calls")
def _(kind: Kind) -> str:
    if kind is Breakwall:
        peer = kind()
        peer.fail(3)
        return yes(peer.breaker.call(int, fallback="later") == "later")
    return yes("fallback" in parameters(kind))


@row("typed (`py.typed`)")
def _(kind: Kind) -> str:
    return yes(kind is Breakwall or any(file.name == "py.typed" for file in files(kind.name) or []))


# --- operation


@row("what calls do while its Redis is down")
def _(kind: Kind) -> str:
    return "–" if kind not in WITH_REDIS else ""  # Tested by itself: it needs a server to kill.


@row("reports events to listeners")
def _(kind: Kind) -> str:
    return yes({"listen", "add_listener"} & set(dir(kind().breaker)))


@row("a Prometheus collector is included")
def _(kind: Kind) -> str:
    if kind is Breakwall:
        from breakwall.breaker import prometheus

        return yes(prometheus.BreakerCollector)
    return yes(any("prometheus" in file.read_text(encoding="utf-8").lower() for file in sources(kind)))


@row("a person can open it")
def _(kind: Kind) -> str:
    made = kind().breaker
    names = [name for name in ("force_open", "open") if callable(getattr(made, name, None))]
    return f"`{names[0]}`" if names else "no"


@row("a person can close it, as new")
def _(kind: Kind) -> str:
    peer = kind()
    peer.fail(3)
    names = [name for name in ("reset", "close") if callable(getattr(peer.breaker, name, None))]
    if not names:
        return "no"
    getattr(peer.breaker, names[0])()
    return f"`{names[0]}`" if not peer.is_open else "no"


@row("other packages that its installation brings")
def _(kind: Kind) -> str:
    needed = {
        re.split(r"[ <>=!~;\[]", line)[0] for line in requires(kind.name) or [] if "extra ==" not in line
    }
    return str(len(needed))


@row("Python")
def _(kind: Kind) -> str:
    return (metadata(kind.name)["Requires-Python"] or "any").removeprefix(">=")


@row("lines of code, in thousands")
def _(kind: Kind) -> str:
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in sources(kind))
    return f"{lines / 1000:.0f}" if kind is Breakwall else f"{lines / 1000:.1f}"


TABLE = read_table()
CELLS = [(question, kind) for question in ROWS for kind in PEERS]


@pytest.mark.usefixtures("redis_of_test")
@pytest.mark.parametrize(("question", "kind"), CELLS, ids=[f"{q}-{k.name}" for q, k in CELLS])
def test_a_cell_is_true(question: str, kind: Kind) -> None:
    expected = ROWS[question](kind)
    if expected:
        assert TABLE[question][kind.name] == expected


def test_each_row_of_the_page_is_checked_and_each_check_is_a_row() -> None:
    assert sorted(TABLE) == sorted(ROWS)
    assert all(set(cells) == set(BY_NAME) for cells in TABLE.values())


def test_the_page_names_the_versions_that_it_was_checked_with() -> None:
    for name in ("pybreaker", "circuitbreaker", "purgatory"):
        major = metadata(name)["Version"].partition(".")[0]
        assert f"{name} {major}" in PAGE


NAMES: dict[str, tuple[object, ...]] = {
    "breakwall": (breaker, breaker.CircuitBreaker, breaker.CircuitBreaker.call, CircuitBreakerConfig),
    "pybreaker": (pybreaker, pybreaker.CircuitBreaker),
    "circuitbreaker": (circuitbreaker, circuitbreaker.CircuitBreaker),
    "purgatory": (purgatory.SyncCircuitBreakerFactory, purgatory.SyncCircuitBreakerFactory.get_breaker),
}
"""Where the names in the table of translations are."""


def names_of(owner: Any) -> set[str]:
    options = inspect.signature(owner).parameters if callable(owner) else ()
    return {*dir(owner), *options}


def translations() -> Iterator[tuple[str, str]]:
    """Each name in the second table, with its library."""
    for there, here in re.findall(r"^\| (.*`.*) \| (.*`.*) \|$", PAGE.partition("## Coming from")[2], re.M):
        yield from (("breakwall", name) for name in re.findall(r"`(\w+)", here))
        for part in re.findall(r"(?:(?:pybreaker|circuitbreaker|purgatory)[^`]*)+(?:`[^`]+`)", there):
            libraries = re.findall("pybreaker|circuitbreaker|purgatory", part.partition("`")[0])
            yield from ((library, re.findall(r"`(\w+)", part)[0]) for library in libraries)


@pytest.mark.parametrize(("library", "name"), sorted(set(translations())))
def test_each_name_of_the_table_of_translations_exists(library: str, name: str) -> None:
    assert name in set().union(*map(names_of, NAMES[library]))


LOST = "what calls do while its Redis is down"


@pytest.mark.parametrize("kind", WITH_REDIS, ids=lambda kind: kind.name)
def test_what_calls_do_while_redis_is_down(kind: Kind, redis_url: str, redis_server: RedisServer) -> None:
    peer = kind(redis_url)
    assert peer.runs(int)
    redis_server.kill()
    try:
        if not peer.runs(int):
            seen = "they fail"
        else:
            peer.fail(9)
            seen = "they use a local circuit" if peer.is_open else "they pass: nothing opens it"
    finally:
        peer.close()
        redis_server.ensure_running()
    assert TABLE[LOST][kind.name] == seen
