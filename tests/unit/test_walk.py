from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from breakwall.texts import text_problem
from tests.walk import walk


class Garbage:
    """Is ended by the garbage collector alone."""

    def __init__(self) -> None:
        self.itself = self
        weakref.finalize(self, text_problem, "a call that nobody makes")


@pytest.fixture
def eager_collector() -> Iterator[None]:
    """The garbage collector runs after some twenty new objects, and looks at the new ones."""
    before = gc.get_threshold()
    gc.set_threshold(20, 1000, 1000)
    yield
    gc.set_threshold(*before)


def make_objects() -> None:
    assert len([[] for _ in range(1000)]) == 1000  # the collector counts those that live


def test_a_walk_counts_the_calls_of_product_functions() -> None:
    assert walk(lambda: text_problem("one"))[0] >= 1


def test_a_walk_does_not_count_what_the_garbage_collector_ends_meanwhile(eager_collector: None) -> None:
    def work() -> None:
        for _ in range(20):
            Garbage()
            make_objects()

    assert walk(work) == (0, 0)


def test_the_garbage_collector_runs_again_after_a_walk() -> None:
    walk(make_objects)
    assert gc.isenabled()
