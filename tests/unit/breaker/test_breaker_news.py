"""Each change is told once, whoever notices another one meanwhile."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from breakwall.breaker.contact import Contact
from breakwall.breaker.news import News, Observer


def test_news_that_come_while_news_are_told_are_told_once_and_hide_nothing() -> None:
    belief: Any = SimpleNamespace(
        lock=threading.Lock(), give_up_if_silent=lambda: None, circuit=0, contact=Contact.IN_TOUCH, lost=None
    )
    told: list[object] = []

    def changed(before: Any, after: Any) -> None:
        told.append((before, after))
        if after == 1:
            # As another thread would, between this news and the next.
            belief.circuit, belief.lost = 2, None
            news.announce()

    news = News(belief, Observer(lambda lane: None, changed, told.append))
    belief.circuit, belief.lost = 1, "TimeoutError"
    news.announce()
    assert told == [(0, 1), (1, 2), None, "TimeoutError"]


def test_a_lost_store_is_told_once_though_its_error_changes() -> None:
    """A call is overdue, and then it fails."""
    belief: Any = SimpleNamespace(
        lock=threading.Lock(), give_up_if_silent=lambda: None, circuit=0, contact=Contact.LOST, lost=None
    )
    told: list[object] = []
    news = News(belief, Observer(lambda lane: None, lambda before, after: None, told.append))
    for belief.lost in ("TimeoutError", "OperationalError", None):
        news.announce()
    assert told == ["TimeoutError", None]
