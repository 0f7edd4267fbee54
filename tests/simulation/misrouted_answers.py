"""Answers that are not the request's: another order's, or with another amount in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random

from tests.simulation.books import Books, Execution
from tests.simulation.faults import Faults
from tests.simulation.habits import Habits
from tests.simulation.story import Story
from tests.simulation.wire import Answering, Reply, as_json


class Strays:
    """Spoils answers now and then.

    An answer that belongs to another order can be known for that where it names the order or the amount, or where
    its charge is known to be the other order's. There is no stray that nobody could tell.

    Args:
        is_owned: whether the product knows already whose a charge is.
    """

    def __init__(
        self,
        books: Books,
        habits: Habits,
        faults: Faults,
        rng: Random,
        story: Story,
        is_owned: Callable[[str], bool],
    ) -> None:
        self._books = books
        self._habits = habits
        self._faults = faults
        self._rng = rng
        self._story = story
        self._is_owned = is_owned

    def among(self, answer: Answering, order_id: str) -> Answering:
        """The way to answer a request about an order, with a stray answer now and then."""

        def answer_somehow(reply: Reply) -> None:
            answer(self._of_another(order_id) or self._of_another_amount(reply) or reply)

        return answer_somehow

    def _of_another(self, order_id: str) -> Reply | None:
        if not self._faults.may_strike("answer of another order"):
            return None
        others = [one for one in self._tellable() if one.request.order_id != order_id]
        if not others or not self._faults.strike("answer of another order"):
            return None
        stray = self._rng.choice(others)
        self._story.tell("payment service", f"gives {order_id} the answer of {stray.request.order_id}")
        named = {name: getattr(stray.request, name) for name in self._habits.names}
        if stray.charge_id is None:
            return as_json(402, status="declined", code="card_declined", **named)
        return as_json(200, status="succeeded", charge_id=stray.charge_id, **named)

    def _tellable(self) -> Iterator[Execution]:
        for one in self._books.settled():
            if self._habits.names or (one.charge_id is not None and self._is_owned(one.charge_id)):
                yield one

    def _of_another_amount(self, reply: Reply) -> Reply | None:
        if reply.status != 200 or "amount" not in self._habits.names:
            return None
        said = json.loads(reply.body)
        if "amount" not in said or not self._faults.strike("answer names another amount"):
            return None
        changes = self._rng.choice(({"amount": said["amount"] * 100}, {"currency": "JPY"}))
        return as_json(200, **{**said, **changes})
