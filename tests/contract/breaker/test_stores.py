"""What a breaker relies on in a store. A new store passes when its `open_store` parameter does."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import sqlalchemy as sa

from breakwall.breaker import Store, store_from_url
from breakwall.breaker.stores import ABSENT
from tests.contract.breaker.conftest import ON_SHARED

OpenStore = Callable[[], Store]


@ON_SHARED
def test_nothing_is_stored_at_first(open_store: OpenStore) -> None:
    record = open_store().load("payment")
    assert (record.version, record.text) == (ABSENT, None)


@ON_SHARED
def test_what_one_connection_stores_the_other_loads(open_store: OpenStore) -> None:
    won, stored = open_store().swap("payment", ABSENT, "v1", "one")
    loaded = open_store().load("payment")
    assert won
    assert (stored.version, stored.text) == (loaded.version, loaded.text) == ("v1", "one")


@ON_SHARED
@pytest.mark.parametrize(
    ("before", "seen"),
    [("v1", "v1"), ("v1", ABSENT), ("v1", "v0"), ("v1", "v2"), (ABSENT, "v1")],
)
def test_a_swap_wins_if_its_version_is_stored_and_returns_what_is_stored(
    open_store: OpenStore, before: str, seen: str
) -> None:
    store = open_store()
    if before != ABSENT:
        store.swap("payment", ABSENT, before, "one")
    won, stored = store.swap("payment", seen, "v9", "nine")
    assert won is (before == seen)
    expected = ("v9", "nine") if won else (before, "one" if before != ABSENT else None)
    assert (stored.version, stored.text) == expected
    assert store.load("payment").text == stored.text


@ON_SHARED
def test_circuits_do_not_mix(open_store: OpenStore) -> None:
    store = open_store()
    store.swap("payment", ABSENT, "v1", "one")
    assert store.load("shipping").text is None


@ON_SHARED
def test_any_text_and_any_name_survive(open_store: OpenStore) -> None:
    store = open_store()
    name, text = "결제 'x' \"y\" %s :z", '{"r":"₩10,000 — 점검; DROP TABLE"}'
    store.swap(name, ABSENT, "v1", text)
    assert store.load(name).text == text


@ON_SHARED
def test_its_clock_shows_the_time_of_day_and_runs(open_store: OpenStore) -> None:
    store = open_store()
    first = store.load("payment").now
    time.sleep(0.02)
    second = store.swap("payment", ABSENT, "v1", "one")[1].now
    assert first == pytest.approx(time.time(), abs=60)
    assert 0.01 < second - first < 30


@ON_SHARED
def test_it_opens_again_after_it_was_closed(open_store: OpenStore) -> None:
    store = open_store()
    store.swap("payment", ABSENT, "v1", "one")
    store.close()
    store.close()
    assert store.load("payment").text == "one"


@ON_SHARED
def test_a_forked_child_and_its_parent_can_both_continue(open_store: OpenStore) -> None:
    """Each through connections of its own, although the parent had one open at the fork."""
    store = open_store()
    store.load("payment")

    def work(who: str) -> bool:
        for number in range(100):
            won, stored = store.swap(f"{who} {number}", ABSENT, "v1", who)
            if not won or stored.text != who or store.load(f"{who} {number}").text != who:
                return False
        store.close()
        return True

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            signal.alarm(20)
            store.forget_connections()
            os._exit(0 if work("child") else 1)
        os._exit(2)
    done: list[bool] = []
    # Two that share a socket may wait for ever, each for an answer that the other has read.
    parent = threading.Thread(target=lambda: done.append(work("parent")), daemon=True)
    parent.start()
    parent.join(20)
    assert done == [True]
    assert os.waitpid(child, 0)[1] == 0
    assert store.load("parent 0").text == "parent"


def end_postgres_connections(url: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(
            sa.text(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        )


def end_redis_connections(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.client_kill_filter(_type="normal", skipme=True)


END_CONNECTIONS = {"postgres": end_postgres_connections, "redis": end_redis_connections}


@pytest.fixture(params=[*END_CONNECTIONS])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Store, Callable[[], None]]]:
    """A store on a server, and how to end the store's connections there."""
    url = str(request.getfixturevalue(f"{request.param}_url"))
    store = store_from_url(url)
    yield store, lambda: END_CONNECTIONS[request.param](url)
    store.close()


def test_a_connection_that_the_server_ended_while_it_was_idle_costs_no_load(
    served: tuple[Store, Callable[[], None]],
) -> None:
    store, end_connections = served
    store.swap("payment", ABSENT, "v1", "one")
    end_connections()
    assert store.load("payment").text == "one"
    assert store.swap("payment", "v1", "v2", "two")[0]


@ON_SHARED
def test_of_many_swaps_at_once_exactly_one_wins(open_store: OpenStore) -> None:
    stores = [open_store() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for seen, version in [(ABSENT, "v1"), ("v1", "v2")]:

            def swap(number: int, seen: str = seen, version: str = version) -> bool:
                return stores[number].swap("payment", seen, version, str(number))[0]

            assert sum(pool.map(swap, range(8))) == 1


@pytest.mark.parametrize("attempt", range(5))
def test_many_that_make_the_table_at_once_all_succeed(shared_url: str, attempt: int) -> None:
    stores = [store_from_url(shared_url) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert [r.text for r in pool.map(lambda store: store.load("payment"), stores)] == [None] * 8
    for store in stores:
        store.close()
