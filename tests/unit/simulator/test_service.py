"""Keys and charges, without HTTP."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.simulator.charge_book import Charge, ChargeBook
from breakwall.simulator.service import KeyBusyError, KeyReusedError, Payload, PaymentService, charge_id

PAYLOAD = Payload("o-1", "u-1", 10_000, "KRW")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[ChargeBook]:
    book = ChargeBook(tmp_path / "charges.db")
    yield book
    book.close()


def service(book: ChargeBook, *, deduplicate: bool = True) -> PaymentService:
    return PaymentService(book, seed=1, deduplicate=deduplicate)


def charge(
    service: PaymentService, key: str = "k", payload: Payload = PAYLOAD, *, declined: bool = False
) -> Charge:
    return service.begin(key, payload) or service.complete(key, payload, declined=declined)


def test_the_same_key_and_payload_replay_the_first_answer(book: ChargeBook) -> None:
    payments = service(book)
    assert charge(payments) == charge(payments)
    assert len(list(book.charges())) == 1


def test_a_decline_is_replayed_as_well(book: ChargeBook) -> None:
    payments = service(book)
    charge(payments, declined=True)
    assert charge(payments).status == "declined"


def test_the_same_key_with_another_payload_is_refused(book: ChargeBook) -> None:
    payments = service(book)
    charge(payments)
    with pytest.raises(KeyReusedError):
        charge(payments, payload=Payload("o-1", "u-1", 10_001, "KRW"))


def test_the_same_key_while_it_is_running_is_refused(book: ChargeBook) -> None:
    payments = service(book)
    assert payments.begin("k", PAYLOAD) is None
    with pytest.raises(KeyBusyError):
        payments.begin("k", PAYLOAD)


def test_an_abandoned_key_is_free_again(book: ChargeBook) -> None:
    payments = service(book)
    payments.begin("k", PAYLOAD)
    payments.abandon("k")
    assert payments.look_up("k") is None
    assert payments.begin("k", Payload("o-2", "u-1", 1, "KRW")) is None


def test_a_service_that_does_not_deduplicate_charges_again(book: ChargeBook) -> None:
    payments = service(book, deduplicate=False)
    first, second = charge(payments), charge(payments)
    assert first.charge_id != second.charge_id
    assert [one.key for one in book.charges()] == ["k", "k"]
    assert payments.stats()["double_charges"] == 1


def test_a_lookup_follows_the_charge(book: ChargeBook) -> None:
    payments = service(book)
    assert payments.look_up("k") is None
    payments.begin("k", PAYLOAD)
    assert payments.look_up("k") == "processing"
    done = payments.complete("k", PAYLOAD, declined=False)
    assert payments.look_up("k") == done


def test_where_one_of_several_charges_succeeded_the_lookup_finds_it(book: ChargeBook) -> None:
    payments = service(book, deduplicate=False)
    charge(payments, declined=True)
    paid = charge(payments)
    charge(payments, declined=True)
    assert payments.look_up("k") == paid


def test_a_restart_remembers_keys_and_totals(book: ChargeBook) -> None:
    first = charge(service(book))
    again = service(book)
    assert charge(again) == first
    assert again.stats()["charges"] == 1


def test_charges_after_a_restart_get_ids_of_their_own(book: ChargeBook) -> None:
    ids = {charge(service(book, deduplicate=False)).charge_id for _ in range(3)}
    assert len(ids) == 3


def test_charges_declines_and_orders_are_counted_apart(book: ChargeBook) -> None:
    payments = service(book)
    charge(payments, "a")
    charge(payments, "b")  # another key for the same order
    charge(payments, "c", Payload("o-2", "u", 5, "USD"))
    charge(payments, "d", Payload("o-3", "u", 5, "USD"), declined=True)
    stats = payments.stats()
    assert (stats["charges"], stats["declines"], stats["distinct_orders"]) == (3, 1, 2)
    assert stats["double_charges"] == 1


def test_many_threads_with_one_key_charge_once(book: ChargeBook) -> None:
    payments = service(book)
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            outcomes.append(charge(payments).charge_id)
        except KeyBusyError:
            outcomes.append("busy")

    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(book.charges())) == 1
    assert len(set(outcomes) - {"busy"}) == 1


def test_a_charge_that_cannot_be_written_is_no_charge(book: ChargeBook) -> None:
    payments = service(book)
    payments.begin("k", PAYLOAD)
    book.close()
    with pytest.raises(sqlite3.Error):
        payments.complete("k", PAYLOAD, declined=False)
    assert payments.look_up("k") is None


def test_charge_ids_differ_by_seed_key_and_number() -> None:
    assert len({charge_id(1, "k", 0), charge_id(1, "k", 1), charge_id(1, "l", 0), charge_id(2, "k", 0)}) == 4
