from __future__ import annotations

import pytest

from breakwall.payments.orders import OrderStatus
from breakwall.web.orders.answers import ANSWERS


def test_every_state_has_an_answer_and_every_answer_its_own_code() -> None:
    assert set(ANSWERS) == set(OrderStatus)
    assert len({answer.code for answer in ANSWERS.values()}) == len(OrderStatus)


@pytest.mark.parametrize("status", OrderStatus)
def test_201_means_paid_and_402_means_that_nothing_was_charged(status: OrderStatus) -> None:
    uncharged = {OrderStatus.DECLINED, OrderStatus.DEAD, OrderStatus.CANCELLED}
    expected = 201 if status is OrderStatus.PAID else 402 if status in uncharged else 202
    answer = ANSWERS[status]
    assert answer.http_status == expected
    assert ("Nothing was charged." in answer.message) is (status in uncharged)


@pytest.mark.parametrize("answer", [answer for answer in ANSWERS.values() if answer.problem is not None])
def test_a_problem_has_the_status_of_its_answer(answer: object) -> None:
    assert answer.problem.value.status == answer.http_status  # type: ignore[attr-defined]
