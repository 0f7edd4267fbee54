"""What was seen, beside what is promised."""

import pytest

from breakwall.rehearsal.measurements import Verdict, judge


@pytest.mark.parametrize(
    ("promised", "shown", "verdict"),
    [
        (True, True, Verdict.HOLDS),
        (True, False, Verdict.BROKEN),
        (True, None, Verdict.NOT_SHOWN),
        (False, True, Verdict.UNUSED),
        (False, False, Verdict.HOLDS),
        (False, None, Verdict.NOTED),
    ],
)
def test_a_promise_is_compared_with_what_was_shown(
    promised: bool, shown: bool | None, verdict: Verdict
) -> None:
    assert judge(promised, shown) is verdict


def test_only_a_promise_of_more_than_was_seen_fails() -> None:
    assert {verdict for verdict in Verdict if verdict.fails} == {Verdict.BROKEN, Verdict.NOT_SHOWN}
