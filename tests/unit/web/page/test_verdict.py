"""The verdict: one sentence for each situation, the most important thing first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakwall.breaker.circuit.state import OverrideMode
from breakwall.monitor.alarms import AlarmKind
from breakwall.monitor.counts import Counted
from breakwall.monitor.obstacles import ObstacleKind
from breakwall.web.page.situations import Severity, Situation
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.verdict import PageVerdict, unreachable, verdict
from breakwall.web.page.words import LANGUAGES, Words
from tests.page_snapshots import (
    BACKLOGS,
    CONFIG,
    NOW,
    WAITING,
    alarm,
    backlog,
    blocked,
    open_circuit,
    overridden,
    pause,
    sample,
    seen,
)

ENGLISH, KOREAN = Words("en"), Words("ko")


def of(situation: str, words: Words = ENGLISH) -> str:
    return str(verdict(seen(situation, history=()), words))


def over(**values: object) -> PageVerdict:
    return verdict(PageSnapshot(backlog=backlog(**values), config=CONFIG), ENGLISH)


@pytest.mark.parametrize("situation", BACKLOGS)
def test_each_situation_has_its_verdict(situation: str) -> None:
    assert verdict(seen(situation), ENGLISH).situation == situation


def test_every_situation_is_in_the_table() -> None:
    assert {Situation.UNREACHABLE, *BACKLOGS} == set(Situation)


def test_an_outage_says_since_when_how_much_how_old_and_what_is_next() -> None:
    assert of("down") == (
        "Payment service down 12 min. 1,284 orders (₩48,210,000) waiting, none lost. Oldest 11 min. "
        "Next probe in 18 s."
    )


def test_the_same_outage_in_korean() -> None:
    assert of("down", KOREAN) == (
        "결제 서비스가 12분째 중단되었습니다. 주문 1,284건(₩48,210,000)이 대기 중이며, 유실은 없습니다. "
        "가장 오래된 주문은 11분째입니다. 18초 뒤에 다시 시험합니다."
    )


def test_a_calm_one_is_short() -> None:
    assert of("calm") == "All is well: no order waits."
    assert verdict(seen("calm"), ENGLISH).severity is Severity.CALM


def test_a_draining_one_says_when_it_is_done() -> None:
    assert of("draining").endswith("Done in about 3 min – 5 min.")


def test_one_order_is_not_many() -> None:
    assert "1 order waiting" in str(over(queued=1, next_due_seconds=4.0))


def test_a_lower_bound_says_so() -> None:
    said = str(over(queued=400_000, counted=Counted.AT_LEAST, amounts={"KRW": 5}))
    assert "At least 400,000 orders (₩5 or more) waiting" in said


def test_each_currency_is_named() -> None:
    said = str(over(queued=2, amounts={"USD": 1000, "KRW": 5000}))
    assert "(₩5,000 + $10.00)" in said


def test_a_pause_says_who_and_until_when() -> None:
    assert of("paused").startswith("minjun paused the queue 5 min ago.")
    assert of("paused").endswith("It ends by itself in 15 min.")
    assert str(over(paused=pause())).endswith("It stays so until a person ends it.")


def test_an_override_says_who_and_until_when() -> None:
    assert "anna stopped all payments 10 min ago" in of("forced_open")
    assert of("forced_open").endswith("It ends by itself in 30 min.")
    assert over(breaker=overridden(OverrideMode.OBSERVING)).situation is Situation.FORCED_CLOSED


def test_dead_orders_are_named_in_an_outage_too() -> None:
    said = over(**WAITING, breaker=open_circuit(), dead=2, review=1, incidents=1)
    assert said.situation is Situation.DOWN
    assert "4 things need a person. (2 dead, 1 in review, open incidents: 1)" in str(said)


def test_a_missing_worker_comes_before_the_outage() -> None:
    both = over(**WAITING, breaker=open_circuit(), warnings=alarm(AlarmKind.NO_WORKER))
    assert both.situation is Situation.NO_WORKER


def test_a_pause_hides_no_missing_worker() -> None:
    both = over(**WAITING, paused=pause(), blocked_by=blocked(ObstacleKind.NO_WORKER))
    assert both.situation is Situation.NO_WORKER


def test_an_outage_is_as_long_as_the_history_says() -> None:
    # The circuit opened anew one minute ago, after a failed probe.
    again = backlog(**WAITING, breaker=open_circuit(60.0))
    points = [sample(NOW - timedelta(seconds=900 - n * 10), open_share=float(n > 10)) for n in range(90)]
    said = str(verdict(PageSnapshot(backlog=again, config=CONFIG, history=points), ENGLISH))
    assert said.startswith("Payment service down 13 min.")


def test_without_the_database_old_numbers_are_called_old() -> None:
    said = verdict(seen("down", failed="DatabaseUnavailableError", age=95.0), ENGLISH)
    assert said.situation is Situation.UNREACHABLE
    assert said.severity is Severity.ACT
    assert "These numbers are 95 s old." in str(said)
    assert "none lost" not in str(said)  # Nobody knows.


def test_without_any_numbers_nothing_is_claimed() -> None:
    assert "nothing is known" in str(unreachable(ENGLISH))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("situation", BACKLOGS)
def test_each_is_made_of_whole_sentences(situation: str, language: str) -> None:
    said = verdict(seen(situation), Words(language))
    for sentence in said.sentences:
        assert sentence.endswith((".", ")")), sentence
        assert "%(" not in sentence


def test_each_severity_has_a_symbol_of_its_own() -> None:
    assert len({severity.symbol for severity in Severity}) == len(Severity)


def test_a_forced_open_circuit_does_not_hide_the_pause() -> None:
    forced = overridden(OverrideMode.FORCED_OPEN, 1800.0)
    said = str(over(**WAITING, breaker=forced, paused=pause()))
    assert said.endswith("It ends by itself in 30 min. The queue is paused as well.")
    assert "paused" not in str(over(**WAITING, breaker=forced))


def test_a_probe_in_less_than_a_second_is_not_in_zero_seconds() -> None:
    soon = replace(open_circuit(), retry_after=0.4)
    assert str(over(**WAITING, breaker=soon)).endswith("The next order is a probe.")
