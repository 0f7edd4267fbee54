"""How much a worker prunes at once, and how often."""

from __future__ import annotations

import pytest

from breakwall.payments.db.database import SchemaError
from breakwall.payments.ledger.batches import Position
from breakwall.payments.ledger.pruning import BATCH
from breakwall.settings import DAY, Settings, SettingsError, load_settings
from breakwall.worker.background.pruning import BATCHES, PAUSE, PruningStep
from tests.manual_clock import MonotonicClock


class Pruning:
    """Has so many orders, keys and rows of bulk lists left, and remembers where it was to continue."""

    def __init__(self, orders: int = 0, keys: int = 0, listed: int = 0) -> None:
        self.orders = orders
        self.keys = keys
        self.listed = listed
        self.walks: list[Position | None] = []
        self.error: Exception | None = None

    def prune(self, age: float, after: Position | None) -> tuple[int, Position | None]:
        self.walks.append(after)
        if self.error is not None:
            raise self.error
        gone = min(BATCH, self.orders)
        self.orders -= gone
        return gone, Position(self.orders, "o1") if gone == BATCH else None

    def forget(self) -> int:
        gone = min(BATCH, self.keys)
        self.keys -= gone
        return gone

    def prune_bulk_list(self, age: float) -> int:
        gone = min(BATCH, self.listed)
        self.listed -= gone
        return gone


def step_of(pruning: Pruning, clock: MonotonicClock) -> PruningStep:
    return PruningStep(pruning, 90.0 * DAY, clock=clock)  # type: ignore[arg-type]


def test_a_step_prunes_a_few_batches_and_the_next_continues_there() -> None:
    pruning, clock = Pruning(orders=5 * BATCH), MonotonicClock()
    step = step_of(pruning, clock)
    assert [step.run_once(), step.run_once()] == [BATCHES * BATCH] * 2
    assert pruning.walks == [None, *(Position(n * BATCH, "o1") for n in (4, 3, 2))]


def test_a_step_forgets_a_few_batches_of_keys() -> None:
    pruning, clock = Pruning(keys=5 * BATCH), MonotonicClock()
    step = step_of(pruning, clock)
    step.run_once()
    assert pruning.keys == (5 - BATCHES) * BATCH
    step.run_once()
    step.run_once()
    assert pruning.keys == 0


def test_a_step_deletes_a_part_of_an_old_bulk_list_and_the_next_continues() -> None:
    pruning, clock = Pruning(listed=2 * BATCH), MonotonicClock()
    step = step_of(pruning, clock)
    left = []
    for _ in range(3):
        step.run_once()
        left.append(pruning.listed)
    assert left == [BATCH, 0, 0]


def test_after_a_complete_scan_it_pauses_and_then_begins_at_the_oldest_again() -> None:
    pruning, clock = Pruning(orders=3), MonotonicClock()
    step = step_of(pruning, clock)
    assert [step.run_once(), step.run_once()] == [3, 0]
    assert len(pruning.walks) == 1
    pruning.orders = 2
    clock.advance(PAUSE)
    assert step.run_once() == 2
    assert pruning.walks == [None, None]


def test_a_failure_is_raised_once_a_pause() -> None:
    pruning, clock = Pruning(), MonotonicClock()
    pruning.error = SchemaError("has no room yet")
    step = step_of(pruning, clock)
    with pytest.raises(SchemaError):
        step.run_once()
    assert step.run_once() == 0
    clock.advance(PAUSE)
    with pytest.raises(SchemaError):
        step.run_once()


class TestTheSettings:
    def load(self, **retention: str) -> Settings:
        return load_settings({f"BREAKWALL_RETENTION__{name}": value for name, value in retention.items()})

    def test_keep_everything_unless_they_say_otherwise(self) -> None:
        assert self.load().retention.days is None
        assert self.load(DAYS="").retention.days is None

    def test_keep_keys_longer_than_orders(self) -> None:
        assert self.load(DAYS="90").retention.keys_days == 400
        with pytest.raises(SettingsError) as caught:
            self.load(DAYS="500")
        assert caught.value.problems == [
            "BREAKWALL_RETENTION__KEYS_DAYS: should be at least as long as BREAKWALL_RETENTION__DAYS: 500"
        ]
        assert self.load(DAYS="500", KEYS_DAYS="500").retention.keys_days == 500

    @pytest.mark.parametrize("wrong", ["0", "-1", "x", "1.5"])
    def test_are_whole_days(self, wrong: str) -> None:
        with pytest.raises(SettingsError, match="RETENTION__DAYS"):
            self.load(DAYS=wrong)
