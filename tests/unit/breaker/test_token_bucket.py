from __future__ import annotations

import itertools
import math

import pytest

from breakwall.breaker.token_bucket import BURST_SECONDS, TokenBucket, Turn, turn_of


def starts(bucket: TokenBucket, since: float, until: float, step: float = 0.01) -> int:
    """How many starts are allowed to a caller that always wants one."""
    number, now = 0, since
    while now < until:
        while bucket.wait(now) == 0.0 and number < 100_000:
            bucket.take(now)
            number += 1
        now += step
    return number


def test_without_a_rate_nothing_waits() -> None:
    bucket = TokenBucket()
    assert bucket.wait(0.0) == 0.0
    assert bucket.tokens(0.0) is None


@pytest.mark.parametrize("rate", [0.2, 1.0, 50.0, 1000.0])
def test_no_more_than_the_rate_is_started(rate: float) -> None:
    bucket = TokenBucket()
    bucket.set_rate(rate, 0.0)
    burst = max(1.0, rate * BURST_SECONDS)
    assert rate * 100 * 0.95 - 1 <= starts(bucket, 0.0, 100.0) <= rate * 100 + burst


def test_a_pause_saves_up_no_more_than_a_burst() -> None:
    bucket = TokenBucket()
    bucket.set_rate(100.0, 0.0)
    starts(bucket, 0.0, 1.0)
    assert bucket.tokens(3600.0) == 100 * BURST_SECONDS


def test_the_wait_says_when_the_next_start_is() -> None:
    bucket = TokenBucket()
    bucket.set_rate(0.5, 0.0)
    assert bucket.wait(0.5) == pytest.approx(1.5)
    assert bucket.wait(2.0) == 0.0
    bucket.take(2.0)
    assert bucket.wait(2.0) == pytest.approx(2.0)


def test_it_begins_empty() -> None:
    bucket = TokenBucket()
    bucket.set_rate(50.0, 1000.0)
    assert bucket.tokens(1000.0) == 0
    bucket.set_rate(None, 2000.0)
    bucket.set_rate(50.0, 3000.0)
    assert bucket.tokens(3000.0) == 0


def test_another_rate_holds_from_its_moment_on() -> None:
    bucket = TokenBucket()
    bucket.set_rate(0.0, 0.0)
    assert bucket.wait(100.0) == math.inf
    bucket.set_rate(10.0, 100.0)
    assert bucket.wait(100.0) == pytest.approx(0.1)


def test_a_start_that_did_not_happen_is_put_back() -> None:
    bucket = TokenBucket()
    bucket.set_rate(1.0, 0.0)
    bucket.take(1.0)
    bucket.put_back()
    assert bucket.wait(1.0) == 0.0


def test_nothing_is_saved_up_in_a_pause() -> None:
    bucket = TokenBucket()
    bucket.set_rate(10.0, 0.0)
    bucket.tokens(10.0)
    bucket.empty_until(11.0)
    assert bucket.wait(10.5) == pytest.approx(0.6)
    assert bucket.tokens(11.0) == 0
    assert bucket.wait(11.1) == pytest.approx(0.0)


def test_it_is_full_when_nothing_was_started_for_a_while() -> None:
    bucket = TokenBucket()
    bucket.set_rate(50.0, 0.0)
    assert not bucket.is_full(BURST_SECONDS - 0.01)
    assert bucket.is_full(BURST_SECONDS + 0.01)


def turns_of(buckets: list[TokenBucket], since: float, until: float) -> list[float]:
    """When each start of all these buckets was, if each is used at once."""
    times = []
    for step in range(round((until - since) * 100)):
        now = since + step / 100
        for bucket in buckets:
            if bucket.wait(now) == 0.0:
                bucket.take(now)
                times.append(now)
    return times


@pytest.mark.parametrize("since", [0.0, 90.0, 101.5])
def test_the_turns_of_all_processes_are_one_after_another(since: float) -> None:
    buckets = [TokenBucket() for _ in range(16)]
    for rank, bucket in enumerate(buckets):
        learned = 100.0 + rank / 100  # Not all at the same moment.
        bucket.set_rate(5.0 / 16, learned)
        bucket.take_turns(Turn(rank, 16), since, learned, learned)
    times = turns_of(buckets, 100.16, 120.16)
    assert max(100.16, since) <= times[0] <= max(100.16, since) + 0.22
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) >= 0.18
    assert max(gaps) <= 0.22


def test_the_same_order_changes_nothing_and_another_one_leaves_nothing_saved() -> None:
    bucket = TokenBucket()
    bucket.set_rate(1.0, 0.0)
    bucket.take_turns(Turn(0, 1), 0.0, 0.0, 0.0)
    bucket.take_turns(Turn(0, 1), 0.0, 0.9, 0.5)
    assert bucket.wait(1.0) == 0.0
    bucket.take_turns(Turn(0, 1), 10.0, 1.0, 10.0)
    assert bucket.wait(1.0) == pytest.approx(1.0)


def test_a_turn_that_has_come_stays_when_only_the_other_processes_change() -> None:
    bucket = TokenBucket()
    bucket.set_rate(0.5, 0.0)
    bucket.take_turns(Turn(1, 2), 0.0, 0.0, 0.0)
    assert bucket.wait(2.0) == 0.0
    bucket.take_turns(Turn(2, 3), 0.0, 2.0, 2.0)
    assert bucket.wait(2.0) == 0.0


def test_after_each_pause_another_process_begins() -> None:
    """Where pauses come often only the first ones have a turn."""
    firsts = set()
    for pause in range(20):
        since = 100.0 + 0.617 * pause
        buckets = [TokenBucket() for _ in range(4)]
        for rank, bucket in enumerate(buckets):
            bucket.set_rate(1.0, since)
            bucket.take_turns(Turn(rank, 4), since, since, since)
        waits = [bucket.wait(since) for bucket in buckets]
        assert sorted(waits) == pytest.approx([0.25, 0.5, 0.75, 1.0])
        firsts.add(waits.index(min(waits)))
    assert firsts == {0, 1, 2, 3}


def test_an_order_counts_again_when_a_rate_begins() -> None:
    bucket = TokenBucket()
    for now in (0.0, 100.0):
        bucket.set_rate(0.5, now)
        bucket.take_turns(Turn(0, 2), 0.0, now, 0.0)
        assert bucket.wait(now) == pytest.approx(1.0)
        bucket.set_rate(0.0, now + 5)
        bucket.take_turns(Turn(0, 2), 0.0, now + 5, 5.0)


def test_the_rank_is_by_the_ids() -> None:
    assert turn_of("b", {"c", "b", "a"}) == Turn(1, 3)
