"""The forms of a message: which are read, and which may be sent."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from breakwall.broker.message_forms import MOST, ONE, READS, SEVERAL, ids_in, may_send, newest_form


@dataclass(frozen=True)
class Worker:
    reads: int


class TestAMessageNames:
    def test_an_order(self) -> None:
        assert ids_in("o1") == ["o1"]

    def test_several_orders(self) -> None:
        assert ids_in(["o1", "o2"]) == ["o1", "o2"]

    @pytest.mark.parametrize("strange", [None, 7, {"id": "o1"}, ["o1", 7], [["o1"]], ["o"] * (MOST + 1)])
    def test_nothing_else(self, strange: object) -> None:
        with pytest.raises(ValueError, match="names an order's id"):
            ids_in(strange)


class TestANewForm:
    def test_is_sent_while_every_live_worker_reads_it(self) -> None:
        assert may_send(SEVERAL, [Worker(2), Worker(3)])
        assert newest_form([Worker(2), Worker(3)]) == SEVERAL

    def test_is_not_sent_while_one_of_them_is_older(self) -> None:
        assert not may_send(SEVERAL, [Worker(2), Worker(1)])
        assert newest_form([Worker(2), Worker(1)]) == ONE

    def test_is_not_sent_where_no_worker_is_known_to_be_alive(self) -> None:
        assert not may_send(SEVERAL, [])
        assert newest_form([]) == ONE

    def test_is_never_newer_than_what_this_version_writes(self) -> None:
        assert newest_form([Worker(READS + 5)]) == READS


def test_the_first_form_may_always_be_sent() -> None:
    assert may_send(ONE, [])
    assert may_send(ONE, [Worker(1)])
