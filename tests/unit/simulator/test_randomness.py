"""The same seed and the same requests meet the same fate."""

from breakwall.simulator.faults import Faults
from breakwall.simulator.randomness import Fate, charge_id, fate


def test_the_same_request_meets_the_same_fate() -> None:
    assert fate(7, "k", 0) == fate(7, "k", 0)


def test_seed_key_and_number_each_change_the_fate() -> None:
    fates = {fate(7, "k", 0), fate(8, "k", 0), fate(7, "l", 0), fate(7, "k", 1)}
    assert len(fates) == 4


def test_fates_are_spread_over_the_whole_range() -> None:
    declined = sum(fate(1, f"k{n}", 0).decline < 0.3 for n in range(2000))
    assert 500 < declined < 700


def test_each_kind_of_chance_has_its_own_number() -> None:
    one = fate(1, "k", 0)
    assert len({getattr(one, name) for name in Fate.__slots__}) == len(Fate.__slots__)


def test_latency_lies_between_shortest_and_longest() -> None:
    seconds = [fate(1, f"k{n}", 0).seconds(Faults(latency=(0.1, 0.5))) for n in range(200)]
    assert 0.1 <= min(seconds) < 0.15
    assert 0.45 < max(seconds) <= 0.5


def test_a_plain_latency_is_what_it_says() -> None:
    assert fate(1, "k", 0).seconds(Faults(latency=0.2)) == 0.2


def test_charge_ids_differ_by_key_and_number() -> None:
    assert len({charge_id(1, "k", 0), charge_id(1, "k", 1), charge_id(1, "l", 0), charge_id(2, "k", 0)}) == 4
