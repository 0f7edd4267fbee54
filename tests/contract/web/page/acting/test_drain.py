"""The drain, as a person handles it on the page."""

from __future__ import annotations

from breakwall.payments.fleet.drain_control import DrainControl, DrainState
from breakwall.payments.operator.audit_entries import AuditEntry, list_audit
from tests.contract.people import queued
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import act, open_form, text_of

PAUSE = "/act/drain/pause"


def drain(api: ApiSite) -> DrainState:
    return DrainControl(api.site.database, clock=api.site.clock).read()


def audit(api: ApiSite) -> list[AuditEntry]:
    return api.site.database.read(lambda connection: list_audit(connection, limit=10))


class TestPause:
    def test_it_holds_for_the_chosen_time_with_who_and_why(self, api: ApiSite) -> None:
        answer = act(api, PAUSE, lasts="900")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/?done=drain_paused")
        paused = drain(api).paused
        assert paused is not None
        assert (paused.actor, paused.reason) == ("kim", "maintenance")
        api.site.advance(899)
        assert drain(api).paused is not None
        api.site.advance(1)
        assert drain(api).paused is None
        assert [(one.action, one.actor, one.reason) for one in audit(api)] == [
            ("queue_pause", "kim", "maintenance")
        ]

    def test_it_may_hold_until_a_person_ends_it(self, api: ApiSite) -> None:
        act(api, PAUSE, lasts="")
        paused = drain(api).paused
        assert paused is not None
        assert paused.until is None

    def test_the_form_says_how_much_waits(self, api: ApiSite) -> None:
        queued(api.site, "a", "b")
        assert "Waiting 2 (₩20,000)" in text_of(open_form(api, PAUSE).text)

    def test_a_pause_that_holds_can_be_prolonged(self, api: ApiSite) -> None:
        act(api, PAUSE, lasts="300")
        seen = text_of(open_form(api, PAUSE).text)
        assert "Keep the drain paused" in seen
        assert "Paused by kim" in seen
        act(api, PAUSE, lasts="3600")
        api.site.advance(3599)
        assert drain(api).paused is not None
