"""What people did to orders, the drain, incidents and everything else, in one list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from breakwall.payments.operator.action_log import OperatorAction, recorded
from breakwall.payments.operator.audit_entries import AuditEntry, AuditFilter, InvalidCursorError, list_audit
from breakwall.payments.operator.incidents import close_incident, open_incident
from tests.contract.people import ANNA
from tests.contract.site import Site, order

BERT = Author("bert", "it takes longer")


def entries(site: Site, limit: int = 100, after: str | None = None, **wanted: object) -> list[AuditEntry]:
    chosen = AuditFilter(**wanted)  # type: ignore[arg-type]
    return site.database.read(lambda connection: list_audit(connection, chosen, limit=limit, after=after))


def names(found: list[AuditEntry]) -> list[str]:
    return [entry.action for entry in found]


@pytest.fixture
def busy(site: Site) -> Site:
    """A site where Anna and Bert did one thing of each kind, a second apart."""
    site.producer.enqueue([order()])
    drain = DrainControl(site.database, clock=site.clock)
    drain.pause(ANNA, 600.0)
    site.advance(1.0)
    drain.set_rate(BERT, 5.0)
    site.advance(1.0)
    drain.resume(BERT)
    site.advance(1.0)
    number = open_incident(site.database, "cart-1", ANNA, clock=site.clock).id
    close_incident(site.database, number, BERT, clock=site.clock)
    site.advance(1.0)
    with recorded(site.database, ANNA, OperatorAction.BREAKER_FORCE_OPEN, "payment", clock=site.clock):
        pass
    site.advance(1.0)
    site.people.cancel("cart-1", ANNA)
    return site


ALL = [
    "order_cancel",
    "breaker_force_open",
    "incident_close",
    "queue_resume",
    "queue_rate",
    "queue_pause",
]


def test_all_that_people_did_is_in_one_list_newest_first(busy: Site) -> None:
    assert names(entries(busy)) == ALL


def test_an_entry_says_who_when_why_and_how_it_went(busy: Site) -> None:
    cancelled, forced, closed, *_, paused = entries(busy)
    assert (cancelled.at, cancelled.actor, cancelled.reason) == (busy.clock.now, ANNA.actor, ANNA.reason)
    assert (cancelled.subject, cancelled.result) == (busy.get().id, "done")
    assert (forced.subject, forced.result) == ("payment", "done")
    assert (closed.actor, closed.reason, closed.detail) == ("bert", "it takes longer", "reported")
    assert paused.subject == "queue"
    assert paused.detail is not None
    assert paused.detail.startswith("until 2026-11-27T00:10:00")


def test_an_open_incident_is_nothing_that_was_done(site: Site) -> None:
    site.producer.enqueue([order()])
    open_incident(site.database, "cart-1", ANNA, clock=site.clock)
    assert entries(site) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"actor": "bert"}, ["incident_close", "queue_resume", "queue_rate"]),
        ({"action": "queue"}, ["queue_resume", "queue_rate", "queue_pause"]),
        ({"action": "queue_rate"}, ["queue_rate"]),
        ({"action": "breaker"}, ["breaker_force_open"]),
        ({"action": "breaker_force"}, ["breaker_force_open"]),
        ({"action": "order"}, ["order_cancel"]),
        ({"action": "incident"}, ["incident_close"]),
        ({"action": "cancel"}, []),
        ({"action": "%"}, []),
        ({"subject": "payment"}, ["breaker_force_open"]),
        ({"subject": "queue", "actor": "anna"}, ["queue_pause"]),
    ],
)
def test_a_filter_leaves_the_others_out(busy: Site, wanted: dict[str, str], found: list[str]) -> None:
    assert names(entries(busy, **wanted)) == found


def test_since_counts_itself_and_until_does_not(busy: Site) -> None:
    second = busy.clock.now - timedelta(seconds=1)
    assert names(entries(busy, since=second)) == ALL[:2]
    assert names(entries(busy, since=busy.clock.after(-1.0))) == ALL[:2]
    assert names(entries(busy, until=second)) == ALL[2:]


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_have_each_entry_once(busy: Site, limit: int) -> None:
    found: list[AuditEntry] = []
    while page := entries(busy, limit, found[-1].cursor if found else None):
        assert len(page) <= limit
        found += page
    assert names(found) == ALL


def test_pages_have_each_entry_once_also_of_one_moment(site: Site) -> None:
    site.producer.enqueue([order(f"cart-{number}") for number in range(4)])
    drain = DrainControl(site.database, clock=site.clock)
    for number in range(4):
        drain.set_rate(ANNA, number + 1.0)
        site.people.cancel(f"cart-{number}", ANNA)
        with recorded(site.database, ANNA, OperatorAction.BREAKER_AUTO, "payment", clock=site.clock):
            pass
    found: list[AuditEntry] = []
    while page := entries(site, 5, found[-1].cursor if found else None):
        found += page
    assert sorted(names(found)) == ["breaker_auto"] * 4 + ["order_cancel"] * 4 + ["queue_rate"] * 4
    assert len({entry.cursor for entry in found}) == 12


def test_a_page_stays_the_same_while_more_is_done(busy: Site) -> None:
    first = entries(busy, 2)
    DrainControl(busy.database, clock=busy.clock).pause(BERT)
    assert names(entries(busy, 2, first[-1].cursor)) == ALL[2:4]


@given(cursor=st.text(max_size=40) | st.from_regex(r"\A[0-9T:+.~-]{1,45}\Z"))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_no_cursor_is_refused(site: Site, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        entries(site, after=cursor)


def test_without_the_newest_table_the_others_are_listed(busy: Site) -> None:
    busy.database.write(lambda connection: connection.execute(text("DROP TABLE operator_actions")))
    assert names(entries(busy)) == [name for name in ALL if not name.startswith("breaker")]
