"""Keys and charges, without HTTP."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.simulator.ledger import Charge, ChargeLedger
from breakwall.simulator.service import KeyBusyError, KeyReusedError, Payload, PaymentService

PAYLOAD = Payload("o-1", "u-1", 10_000, "KRW")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[ChargeLedger]:
    ledger = ChargeLedger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def service(ledger: ChargeLedger, *, deduplicate: bool = True) -> PaymentService:
    return PaymentService(ledger, seed=1, deduplicate=deduplicate)


def charge(
    service: PaymentService, key: str = "k", payload: Payload = PAYLOAD, *, declined: bool = False
) -> Charge:
    return service.begin(key, payload) or service.complete(key, payload, declined=declined)


def test_the_same_key_and_payload_replay_the_first_answer(ledger: ChargeLedger) -> None:
    payments = service(ledger)
    assert charge(payments) == charge(payments)
    assert len(list(ledger.charges())) == 1


def test_a_decline_is_replayed_as_well(ledger: ChargeLedger) -> None:
    payments = service(ledger)
    charge(payments, declined=True)
    assert charge(payments).status == "declined"


def test_the_same_key_with_another_payload_is_refused(ledger: ChargeLedger) -> None:
    payments = service(ledger)
    charge(payments)
    with pytest.raises(KeyReusedError):
        charge(payments, payload=Payload("o-1", "u-1", 10_001, "KRW"))


def test_the_same_key_while_it_is_running_is_refused(ledger: ChargeLedger) -> None:
    payments = service(ledger)
    assert payments.begin("k", PAYLOAD) is None
    with pytest.raises(KeyBusyError):
        payments.begin("k", PAYLOAD)


def test_an_abandoned_key_is_free_again(ledger: ChargeLedger) -> None:
    payments = service(ledger)
    payments.begin("k", PAYLOAD)
    payments.abandon("k")
    assert payments.look_up("k") is None
    assert payments.begin("k", Payload("o-2", "u-1", 1, "KRW")) is None


def test_a_service_that_does_not_deduplicate_charges_again(ledger: ChargeLedger) -> None:
    payments = service(ledger, deduplicate=False)
    first, second = charge(payments), charge(payments)
    assert first.charge_id != second.charge_id
    assert [one.key for one in ledger.charges()] == ["k", "k"]
    assert payments.stats()["double_charges"] == 1


def test_a_lookup_follows_the_charge(ledger: ChargeLedger) -> None:
    payments = service(ledger)
    assert payments.look_up("k") is None
    payments.begin("k", PAYLOAD)
    assert payments.look_up("k") == "processing"
    done = payments.complete("k", PAYLOAD, declined=False)
    assert payments.look_up("k") == done


def test_where_one_of_several_charges_succeeded_the_lookup_finds_it(ledger: ChargeLedger) -> None:
    payments = service(ledger, deduplicate=False)
    charge(payments, declined=True)
    paid = charge(payments)
    charge(payments, declined=True)
    assert payments.look_up("k") == paid


def test_a_restart_remembers_keys_and_totals(ledger: ChargeLedger) -> None:
    first = charge(service(ledger))
    again = service(ledger)
    assert charge(again) == first
    assert again.stats()["charges"] == 1


def test_charges_after_a_restart_get_ids_of_their_own(ledger: ChargeLedger) -> None:
    ids = {charge(service(ledger, deduplicate=False)).charge_id for _ in range(3)}
    assert len(ids) == 3


def test_charges_declines_and_orders_are_counted_apart(ledger: ChargeLedger) -> None:
    payments = service(ledger)
    charge(payments, "a")
    charge(payments, "b")  # another key for the same order
    charge(payments, "c", Payload("o-2", "u", 5, "USD"))
    charge(payments, "d", Payload("o-3", "u", 5, "USD"), declined=True)
    stats = payments.stats()
    assert (stats["charges"], stats["declines"], stats["distinct_orders"]) == (3, 1, 2)
    assert stats["double_charges"] == 1


def test_many_threads_with_one_key_charge_once(ledger: ChargeLedger) -> None:
    payments = service(ledger)
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
    assert len(list(ledger.charges())) == 1
    assert len(set(outcomes) - {"busy"}) == 1


def test_a_charge_that_cannot_be_written_is_no_charge(ledger: ChargeLedger) -> None:
    payments = service(ledger)
    payments.begin("k", PAYLOAD)
    ledger.close()
    with pytest.raises(sqlite3.Error):
        payments.complete("k", PAYLOAD, declined=False)
    assert payments.look_up("k") is None
