"""What Breakwall writes in English is said in the reader's language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from breakwall.breaker import BreakerStatus, CircuitState
from breakwall.monitor.alarms import UNPROBED, AlarmKind, alarms
from breakwall.monitor.counts import STALLED_AFTER, Counts
from breakwall.payments.fleet.workers import Worker
from breakwall.payments.gateways.base import ChargeDetails, ChargeRequest
from breakwall.payments.verification import find_contradiction
from breakwall.web.page.own_texts import FORMS, own_text
from breakwall.web.page.words import Words
from tests.source_tree import product_modules
from tests.unit.monitor.snapshots import BUSY, CALM, CLOSED, PROBING

ENGLISH, KOREAN = Words("en"), Words("ko")

WAITING = replace(CALM, queued=11, due=11, oldest_due_age_seconds=STALLED_AFTER, stalled=True)
IDLE = replace(BUSY, idle_seconds=STALLED_AFTER)
LOST = replace(CLOSED, store_ok=False)
LONG_HALF_OPEN = replace(PROBING, open_until=PROBING.store_time - UNPROBED)

# Each alarm that there is, in each of its wordings.
SITUATIONS: list[tuple[Counts, BreakerStatus, list[Worker]]] = [
    (WAITING, LOST, []),
    (WAITING, CLOSED, [replace(BUSY, alive=False)]),
    (WAITING, LONG_HALF_OPEN, []),
    (WAITING, LONG_HALF_OPEN, [IDLE]),
    (WAITING, CLOSED, [IDLE]),
    (replace(WAITING, homeless={"stripe": 1}), CLOSED, [BUSY]),
    (replace(WAITING, homeless={"stripe": 3, "http": 4}), CLOSED, [BUSY]),
    (replace(WAITING, homeless={"stripe": 2000}), CLOSED, [BUSY]),
]
FOUND = [
    alarm for counts, breaker, fleet in SITUATIONS for alarm in alarms(replace(counts, fleet=fleet), breaker)
]
CHARGE = "ch_1"
TEXTS = [
    *(alarm.message for alarm in FOUND),
    *(alarm.advice for alarm in FOUND),
    "charged as ch_1 and as ch_2: refund one of them",
    "charged as ch_1 although it was to be cancelled: refund it",
    "charged as ch_1 although a person had resolved it as not charged",
    "the webhook takes no outcomes: they wait since 2026-11-28 10:20:00 UTC, and are tried again",
    "all that failed",
    "no limit",
    "5 orders a second",
    "no file descriptors left",
]


def test_each_alarm_is_among_them() -> None:
    assert {alarm.kind for alarm in FOUND} == set(AlarmKind)
    assert any(breaker.state is CircuitState.HALF_OPEN for _, breaker, _ in SITUATIONS)


@pytest.mark.parametrize("text", TEXTS)
def test_english_stays_as_the_commands_say_it_and_korean_has_its_own(text: str) -> None:
    assert own_text(text, ENGLISH) == text
    korean = own_text(text, KOREAN)
    assert re.search("[가-힣]", korean)
    assert set(re.findall(r"ch_\d|\d+", text)) <= set(re.findall(r"ch_\d|\d+", korean))


@pytest.mark.parametrize(
    "details",
    [
        ChargeDetails("other"),
        ChargeDetails(amount=99),
        ChargeDetails(currency="USD"),
        ChargeDetails("other", 99, "USD"),
    ],
)
def test_what_contradicts_an_order_has_a_form(details: ChargeDetails) -> None:
    text = find_contradiction("ch_1", details, ChargeRequest("a" * 32, "u1", 10_000, "KRW", "key"))
    assert text is not None
    assert own_text(text, ENGLISH) == text
    assert "이 주문은" in own_text(text, KOREAN)


def test_the_forms_are_those_of_the_code() -> None:
    """A text that is reworded there, and not here, would be shown in English."""
    written = set(texts_of_the_product())
    for form in FORMS:
        if "%(names)s" in form:
            continue  # It is made of single words there; the alarms above have it.
        for part in re.split(r"%\(\w+\)s|and is said to be|[;:]", form):
            assert len(part.strip()) < 16 or any(part.strip(" .") in text for text in written), form


def texts_of_the_product() -> Iterator[str]:
    for module in product_modules().values():
        if not module.name.startswith("breakwall.web"):
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_durations_and_moments_are_written_as_the_reader_does() -> None:
    assert own_text("for 15m", ENGLISH) == own_text("for 900 s", ENGLISH) == "for 15 min"
    assert own_text("for 15m", KOREAN) == "15분 동안"
    assert own_text("until 2026-11-28T10:20:00+00:00", KOREAN) == "2026-11-28 10:20:00 UTC까지"


def test_a_text_of_another_one_is_shown_as_it_is() -> None:
    for text in ("the customer called", "charged", "%(x)s%", "for ever"):
        assert own_text(text, ENGLISH) == text
    assert own_text("고객이 전화했습니다", KOREAN) == "고객이 전화했습니다"
