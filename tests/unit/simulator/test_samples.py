"""The same seed and the same requests get the same samples."""

from breakwall.simulator.faults import Faults
from breakwall.simulator.samples import Samples, charge_id, samples_for


def test_the_same_request_gets_the_same_samples() -> None:
    assert samples_for(7, "k", 0) == samples_for(7, "k", 0)


def test_seed_key_and_number_each_change_the_samples() -> None:
    different = {
        samples_for(7, "k", 0),
        samples_for(8, "k", 0),
        samples_for(7, "l", 0),
        samples_for(7, "k", 1),
    }
    assert len(different) == 4


def test_samples_are_spread_over_the_whole_range() -> None:
    declined = sum(samples_for(1, f"k{n}", 0).decline < 0.3 for n in range(2000))
    assert 500 < declined < 700


def test_each_fault_has_its_own_number() -> None:
    one = samples_for(1, "k", 0)
    assert len({getattr(one, name) for name in Samples.__slots__}) == len(Samples.__slots__)


def test_latency_lies_between_shortest_and_longest() -> None:
    seconds = [samples_for(1, f"k{n}", 0).seconds(Faults(latency=(0.1, 0.5))) for n in range(200)]
    assert 0.1 <= min(seconds) < 0.15
    assert 0.45 < max(seconds) <= 0.5


def test_a_plain_latency_is_what_it_says() -> None:
    assert samples_for(1, "k", 0).seconds(Faults(latency=0.2)) == 0.2


def test_charge_ids_differ_by_key_and_number() -> None:
    assert len({charge_id(1, "k", 0), charge_id(1, "k", 1), charge_id(1, "l", 0), charge_id(2, "k", 0)}) == 4
