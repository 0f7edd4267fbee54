"""A message is acknowledged once, when the last of its orders is finished."""

from __future__ import annotations

import logging

import pytest

from breakwall.worker.drain.messages import Messages


def test_a_message_is_done_when_its_last_order_is_finished() -> None:
    messages, done = Messages(), []
    assert messages.add(["a", "b"], lambda: done.append(1)) == ["a", "b"]
    messages.finish("a")
    assert done == []
    messages.finish("b")
    assert (done, messages.finished) == ([1], 2)


def test_an_order_that_several_messages_name_is_worked_on_once_and_ends_all_of_them() -> None:
    messages, done = Messages(), []
    messages.add(["a", "b"], lambda: done.append("first"))
    assert messages.add(["b", "c"], lambda: done.append("second")) == ["c"]
    for one in ("c", "b", "a"):
        messages.finish(one)
    assert (done, messages.finished) == (["second", "first"], 4)


def test_a_message_that_names_an_order_twice_is_done_once() -> None:
    messages, done = Messages(), []
    assert messages.add(["a", "a"], lambda: done.append(1)) == ["a"]
    messages.finish("a")
    assert (done, messages.finished) == ([1], 2)


def test_a_message_without_orders_is_done_at_once() -> None:
    messages, done = Messages(), []
    assert messages.add([], lambda: done.append(1)) == []
    assert done == [1]


def test_what_was_finished_may_be_named_again() -> None:
    messages = Messages()
    messages.add(["a"], lambda: None)
    messages.finish("a")
    messages.finish("a")
    assert messages.finished == 1
    assert messages.add(["a"], lambda: None) == ["a"]


def test_an_acknowledgement_that_fails_is_logged_and_hinders_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise ConnectionError("the broker is gone")

    messages, done = Messages(), []
    messages.add(["a"], fail)
    messages.add(["a"], lambda: done.append(1))
    with caplog.at_level(logging.ERROR):
        messages.finish("a")
    assert done == [1]
    assert "could not be acknowledged" in caplog.text
