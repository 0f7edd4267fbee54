"""What a refusal says."""

from __future__ import annotations

import pickle

from breakwall.breaker import CircuitBreakerError, CircuitState


class TestError:
    def test_it_says_in_words_when_to_come_back(self) -> None:
        error = CircuitBreakerError("payment", CircuitState.OPEN, 12.34)
        assert str(error) == "circuit 'payment' is open; retry in 12.3 s"

    def test_it_survives_the_way_to_another_process(self) -> None:
        error = pickle.loads(pickle.dumps(CircuitBreakerError("payment", CircuitState.OPEN, 12.5, "why")))
        assert (error.name, error.state, error.retry_after) == ("payment", CircuitState.OPEN, 12.5)
