"""When an order is due again, without a database or a network."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.retry_policy import LONGEST_DEFERRAL, RetryPolicy, deferral

POLICY = RetryPolicy(base=1.0, cap=60.0, max_attempts=5)
jitters = st.floats(0, 1)


class TestBackoff:
    def test_doubles_its_bound_with_each_try(self) -> None:
        assert [POLICY.backoff(tries, 1.0) for tries in range(5)] == [1, 2, 4, 8, 16]

    def test_never_exceeds_the_cap(self) -> None:
        assert POLICY.backoff(10_000, 1.0) == 60

    @given(tries=st.integers(0, 100), jitter=jitters)
    def test_is_spread_over_the_whole_range_below_its_bound(self, tries: int, jitter: float) -> None:
        assert POLICY.backoff(tries, jitter) == jitter * POLICY.backoff(tries, 1.0)

    @given(tries=st.integers(0, 100), jitter=jitters, asked=st.floats(0, 86_400))
    def test_is_never_earlier_than_the_service_asked_for(
        self, tries: int, jitter: float, asked: float
    ) -> None:
        assert POLICY.delay(tries, asked, jitter) >= asked


class TestDeferral:
    @given(seconds=st.floats(0, LONGEST_DEFERRAL), jitter=jitters)
    def test_is_at_least_as_long_as_the_circuit_says_and_a_tenth_longer_at_most(
        self, seconds: float, jitter: float
    ) -> None:
        assert seconds <= deferral(seconds, jitter) <= seconds * 1.1 + 1e-6

    def test_does_not_last_until_the_end_of_an_override_that_may_be_lifted_before(self) -> None:
        assert deferral(86_400.0, 0.0) == LONGEST_DEFERRAL
