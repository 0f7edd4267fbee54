"""Points in time are texts in every document. The commands' tests cover orders and incidents."""

from dataclasses import replace

from breakwall.breaker import OverrideMode
from breakwall.json_documents import backlog_document, breaker_document, fleet_document
from tests.unit.monitor.snapshots import FORCED, OPEN, QUIET


def test_a_circuits_points_in_time_are_texts_and_its_durations_numbers() -> None:
    document = breaker_document(replace(OPEN, override=FORCED[OverrideMode.FORCED_OPEN]))
    assert document["opened_at"] == "1970-01-01T00:04:40+00:00"
    assert document["override"]["set_at"] == "1970-01-01T00:15:00+00:00"
    assert document["override"]["expires_at"] is None
    assert document["retry_after"] == 18.0


def test_a_backlog_hides_why_the_broker_does_not_answer() -> None:
    document = backlog_document(replace(QUIET, broker_messages=None, broker_awaits_worker=True))
    assert document["at"] == "2026-11-27T00:00:00+00:00"
    assert (document["broker_messages"], "broker_awaits_worker" in document) == (None, False)


def test_a_fleet_without_a_worker_is_an_empty_list() -> None:
    assert fleet_document(QUIET, []) == {
        "at": "2026-11-27T00:00:00+00:00",
        "alive": 0,
        "workers": [],
        "warnings": (),
    }
