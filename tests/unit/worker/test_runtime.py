"""The end of a worker process: what works beside the orders ends together."""

from __future__ import annotations

import pytest

from breakwall.settings import load_settings
from breakwall.worker.runtime import Runtime


class Loop:
    """Writes down when it is asked to stop, and when it is waited for."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self._name, self._seen = name, seen

    def ask_to_stop(self) -> None:
        self._seen.append(f"ask {self._name}")

    def stop(self) -> None:
        self._seen.append(f"wait for {self._name}")


@pytest.mark.parametrize(
    "names", [("backlog_counter", "bulk_retries", "sampler"), ("outcome_loop", "outcome_process")]
)
def test_each_is_asked_to_stop_before_one_is_waited_for(names: tuple[str, ...]) -> None:
    """While the database hangs, each of them takes as long as it may."""
    runtime = Runtime(load_settings({"BREAKWALL_BREAKER_STORE_URL": "memory://"}))
    seen: list[str] = []
    vars(runtime).update({name: Loop(name, seen) for name in names})
    runtime.close()
    assert seen == [*(f"ask {name}" for name in names), *(f"wait for {name}" for name in names)]
