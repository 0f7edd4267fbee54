"""How many charges one process has in hand."""

from __future__ import annotations

import os

import pytest

from breakwall.breaker import forking
from breakwall.producers.bulkhead import Bulkhead


def test_so_many_enter_and_the_next_one_is_refused_and_counted() -> None:
    bulkhead = Bulkhead(2)
    assert [bulkhead.try_enter(call) for call in range(4)] == [True, True, False, False]
    assert (bulkhead.inside, bulkhead.refused) == (2, 2)


def test_a_call_that_has_ended_makes_room_for_one() -> None:
    bulkhead = Bulkhead(1)
    bulkhead.try_enter("first")
    bulkhead.leave("first")
    assert [bulkhead.try_enter("second"), bulkhead.try_enter("third")] == [True, False]


def test_a_call_that_leaves_twice_or_never_entered_makes_no_more_room() -> None:
    bulkhead = Bulkhead(1)
    bulkhead.try_enter("first")
    bulkhead.leave("refused")
    assert bulkhead.inside == 1
    for _ in range(2):
        bulkhead.leave("first")
    assert [bulkhead.try_enter("second"), bulkhead.try_enter("third")] == [True, False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_calls_of_the_parent_take_no_room_of_a_forked_child() -> None:
    bulkhead = Bulkhead(1)
    bulkhead.try_enter("first")
    child = os.fork()
    if not child:
        forking.notice()
        os._exit(0 if bulkhead.try_enter("second") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not bulkhead.try_enter("third")
