"""The page's values: each number with its meaning, and nothing that is not known."""

from __future__ import annotations

from breakwall.breaker.circuit.state import CircuitState, OverrideMode
from breakwall.monitor.alarms import Alarm, AlarmKind
from breakwall.monitor.retry_shape import RetryBucket
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.view import PageView, page_view
from breakwall.web.page.words import Words
from tests.page_snapshots import BACKLOGS, CONFIG, STORE_NOW, backlog, circuit, overridden, seen, worker

ENGLISH = Words("en")


def view(situation: str = "down", **values: object) -> PageView:
    return page_view(seen(situation, **values), ENGLISH)


def figures(shown: PageView) -> dict[str, tuple[str, str]]:
    return {one.name: (one.value, one.note) for one in (*shown.figures, *shown.circuit.figures, *shown.fleet)}


def test_the_five_numbers() -> None:
    assert [(one.name, one.value) for one in view().figures] == [
        ("Waiting", "1,284"),
        ("Due now", "37"),
        ("Oldest", "11 min"),
        ("Net rate", "+1.8/s"),
        ("Time to drain", "not known"),
    ]


def test_a_drain_is_a_range_with_its_assumption() -> None:
    value, note = figures(view("draining"))["Time to drain"]
    assert value == "3 min – 5 min"
    assert note.startswith("at the speed of the last minutes")


def test_a_shrinking_backlog_has_a_minus() -> None:
    assert figures(view("draining"))["Net rate"] == ("−5.2/s", "last minute: 109 new, 420 done")


def test_the_circuit_is_shown_against_its_thresholds() -> None:
    shown = figures(view())
    assert shown["Failures"] == ("3", "opens at 3 failures within 60 s")
    assert shown["Next probe in"] == ("18 s", "closes after 3 successes")
    assert figures(view("calm"))["Share of failures"] == ("0 %", "and at a share of 50 %")


def test_a_forced_state_is_apart_from_the_computed_one() -> None:
    circuit = view("forced_open").circuit
    assert (circuit.state, circuit.computed) == ("open", "closed")
    assert circuit.override is not None
    assert "forced open by anna 10 min ago: provider maintenance" in circuit.override
    assert view("down").circuit.computed is None


def test_a_probe_that_is_due_comes_now() -> None:
    half_open = circuit(state=CircuitState.HALF_OPEN, opened_at=STORE_NOW - 60, retry_after=0.0)
    shown = page_view(PageSnapshot(backlog=backlog(breaker=half_open), config=CONFIG), Words("en"))
    assert figures(shown)["Next probe in"][0] == "now"


def test_no_next_probe_is_told_while_an_override_sends_every_payment() -> None:
    override = overridden(OverrideMode.FORCED_CLOSED).override
    opened = circuit(state=CircuitState.OPEN, opened_at=STORE_NOW - 60, override=override)
    shown = page_view(PageSnapshot(backlog=backlog(breaker=opened), config=CONFIG), Words("en"))
    assert figures(shown)["Next probe in"] == ("–", "closes after 3 successes")


def test_the_longest_bar_is_whole() -> None:
    shown = view()
    assert [bar.name for bar in shown.retries] == ["0", "1", "2–3", "4 or more"]
    assert [bar.name for bar in shown.next_retries] == [
        "now",
        "within 10 s",
        "within 60 s",
        "within 5 min",
        "later",
    ]
    assert max(bar.share for bar in shown.retries) == 100


def test_buckets_without_orders_are_not_drawn() -> None:
    empty = backlog(retry_histogram=(RetryBucket(0, 0, 0), RetryBucket(1, None, 0)))
    assert view(backlog=empty).retries == ()


def test_failures_have_a_count_a_time_and_an_example() -> None:
    first = view().failures[0]
    assert (first.what, first.orders, first.last) == ("no clear answer · timeout", "640", "14 s ago")
    assert first.sample == "a" * 32


def test_a_pause_is_told_with_who_and_why() -> None:
    assert view("paused").paused == (
        "Paused by minjun 5 min ago. Reason: deploy of the gateway. It ends by itself in 15 min."
    )
    assert view("calm").paused is None


def test_old_numbers_are_stale() -> None:
    assert not view(age=3.0).stale
    assert view(age=11.0).stale
    assert view(failed="DatabaseUnavailableError").stale


def test_a_broker_that_is_away_has_no_number() -> None:
    assert figures(view("broker_away"))["Messages at the broker"] == ("–", "the broker does not answer")


def test_a_worker_says_why_it_waits() -> None:
    silent = worker(alive=False, lacks="No file descriptors are left.", silent_seconds=90.0)
    row = view(workers=[silent]).workers[0]
    assert (row.alive, row.seen, row.note) == (False, "90 s ago", "No file descriptors are left.")


def test_a_warning_that_the_verdict_says_is_not_repeated() -> None:
    lost = Alarm(AlarmKind.STORE_LOST, "The store is lost.", "Check it.")
    both = backlog(queued=1, warnings=(lost, *BACKLOGS["no_worker"].warnings))
    assert view(backlog=both).verdict.situation == "no_worker"
    assert view(backlog=both).warnings == (("The store is lost.", "Check it."),)


def test_what_is_not_known_is_a_dash() -> None:
    shown = view(backlog=backlog(net_rate=None, arrivals_last_minute=None, broker_difference=None))
    assert figures(shown)["Net rate"] == ("–", "0 done in the last minute")
    assert "Difference" not in figures(shown)
    assert shown.retries == ()
