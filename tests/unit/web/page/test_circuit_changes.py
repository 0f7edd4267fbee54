"""What has changed the circuit lately: when, how, why, and who."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakwall.breaker import CircuitState
from breakwall.monitor.history.transitions import CircuitTransition, TransitionCause
from breakwall.payments.operator.audit_entries import AuditEntry
from breakwall.web.page.circuit_changes import MOST_CHANGES, CircuitChange, circuit_changes
from breakwall.web.page.labels import TRANSITION_CAUSES
from breakwall.web.page.overview_lists import OverviewLists
from breakwall.web.page.snapshot import down_for
from breakwall.web.page.words import Words
from tests.page_snapshots import NOW, circuit, history, open_circuit, seen

OPENED = CircuitTransition(
    NOW - timedelta(minutes=12), 5, 3, CircuitState.CLOSED, CircuitState.OPEN, TransitionCause.FAILURES, 3
)
FORCED = AuditEntry(
    NOW - timedelta(minutes=10), "breaker_force_open", "payment", "anna", "maintenance", None, "done", "a"
)


def changes(*found: CircuitTransition | AuditEntry, language: str = "en") -> tuple[CircuitChange, ...]:
    lists = OverviewLists(
        *((), 0, (), (), ()),
        transitions=[one for one in found if isinstance(one, CircuitTransition)],
        circuit_actions=[one for one in found if isinstance(one, AuditEntry)],
    )
    return circuit_changes(seen(lists=lists), Words(language))


def test_each_cause_has_a_word() -> None:
    assert set(TRANSITION_CAUSES) == set(TransitionCause)


def test_a_transition_says_from_where_to_where_and_of_what_the_threshold_was_reached() -> None:
    (one,) = changes(OPENED)
    assert (one.moment, one.what) == ("2026-11-28 10:08:00", "closed → open")
    assert one.why == "3 calls failed within 60 s (it opens at 3)"


def test_another_cause_is_named() -> None:
    (one,) = changes(replace(OPENED, cause=TransitionCause.PAUSE_ASKED, failures=None))
    assert one.why == "the payment service asked for a pause"


def test_probes_that_failed_do_not_hide_why_the_circuit_has_opened() -> None:
    probes = [one for number in range(7) for one in failed_probe(number)]
    found = changes(*reversed(probes), OPENED)
    assert [one.what for one in found] == ["open → half-open → open", "closed → open"]
    assert found[0].why == "7 probes failed, one after another"
    assert found[0].at == probes[-1].at


def test_a_probe_of_a_person_stands_beside_its_person() -> None:
    first, second = failed_probe(0), failed_probe(1)
    asked = replace(FORCED, action="breaker_probe", at=second[0].at - timedelta(seconds=1))
    found = changes(*reversed(second), *reversed(first), OPENED, asked)
    assert [one.why for one in found[:3]] == ["1 probe failed", "maintenance", "1 probe failed"]


def test_a_probe_that_runs_is_a_change_of_its_own() -> None:
    sent, _ = failed_probe(0)
    assert [one.what for one in changes(sent, OPENED)] == ["open → half-open", "closed → open"]


def failed_probe(number: int) -> tuple[CircuitTransition, CircuitTransition]:
    """What a probe has brought about, first to last; each is a minute after the one before."""
    at = OPENED.at + timedelta(minutes=number + 1)
    states = CircuitState.OPEN, CircuitState.HALF_OPEN
    sent = CircuitTransition(at, 6 + 2 * number, 3 + number, *states, TransitionCause.INTERVAL_OVER)
    back = TransitionCause.PROBE_FAILED
    return sent, CircuitTransition(at, 7 + 2 * number, 4 + number, states[1], states[0], back)


def test_what_a_person_did_has_its_place_in_time() -> None:
    later = replace(OPENED, at=NOW, generation=6, cause=TransitionCause.INTERVAL_OVER, failures=None)
    found = changes(later, OPENED, FORCED)
    assert [one.at for one in found] == [NOW, FORCED.at, OPENED.at]
    assert (found[1].what, found[1].why) == ("circuit forced open by anna", "maintenance")


def test_what_was_refused_has_changed_nothing() -> None:
    assert changes(replace(FORCED, result="refused")) == ()


def test_only_the_last_ones_are_shown() -> None:
    many = [replace(OPENED, at=NOW - timedelta(seconds=ago), generation=ago) for ago in range(20)]
    assert [one.key for one in changes(*many)] == [str(ago) for ago in range(MOST_CHANGES)]


def test_it_is_said_in_korean_too() -> None:
    (one,) = changes(OPENED, language="ko")
    assert (one.what, one.why) == ("닫힘 → 열림", "60초 안에 호출 3건 실패 (3건이면 열림)")


def test_an_outage_lasts_since_the_circuit_was_last_closed() -> None:
    """A failed probe has opened it anew a minute ago."""
    reopened = replace(
        OPENED,
        at=NOW - timedelta(minutes=1),
        before=CircuitState.HALF_OPEN,
        cause=TransitionCause.PROBE_FAILED,
    )
    status, newest_first = open_circuit(60.0), [reopened, OPENED]
    assert down_for(status, NOW, (), newest_first) == 720.0
    assert down_for(status, NOW, history("down"), [reopened]) == pytest.approx(720.0, abs=10)
    assert down_for(circuit(), NOW, (), newest_first) is None


def test_while_the_lists_cannot_be_read_there_are_none() -> None:
    assert circuit_changes(seen(lists=None), Words("en")) == ()
