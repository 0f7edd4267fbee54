"""The drain, as a person handles it on the page."""

from __future__ import annotations

import pytest

from breakwall.payments.fleet.drain_control import DrainControl, DrainState
from breakwall.payments.interventions import Author
from breakwall.payments.operator.audit_entries import list_audit
from tests.contract.people import queued
from tests.contract.site import Site
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import act, links_in, open_form, send_form, text_of

PAUSE, RESUME, RATE = "/act/queue/pause", "/act/queue/resume", "/act/queue/rate"
ANNA = Author("anna", "the bank calls")


def control(api: ApiSite) -> DrainControl:
    return DrainControl(api.site.database, clock=api.site.clock)


def drain(api: ApiSite) -> DrainState:
    return control(api).read()


def audit(api: ApiSite) -> list[tuple[str, str, str | None]]:
    """Action, actor and reason, first to last."""
    found = api.site.database.read(lambda connection: list_audit(connection, limit=10))
    return [(one.action, one.actor, one.reason) for one in reversed(found)]


class TestPause:
    def test_it_holds_for_the_chosen_time_with_who_and_why(self, api: ApiSite) -> None:
        answer = act(api, PAUSE, lasts="900")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/?done=queue_paused")
        paused = drain(api).paused
        assert paused is not None
        assert (paused.actor, paused.reason) == ("kim", "maintenance")
        api.site.advance(899)
        assert drain(api).paused is not None
        api.site.advance(1)
        assert drain(api).paused is None
        assert audit(api) == [("queue_pause", "kim", "maintenance")]

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
        assert "Keep the queue paused" in seen
        assert "Paused by kim" in seen
        act(api, PAUSE, lasts="3600")
        api.site.advance(3599)
        assert drain(api).paused is not None


class TestResume:
    def test_it_ends_the_pause_with_who_and_why(self, api: ApiSite) -> None:
        control(api).pause(ANNA)
        assert "Paused by anna" in text_of(open_form(api, RESUME).text)
        assert act(api, RESUME).headers["Location"] == "/?done=queue_resumed"
        assert drain(api).paused is None
        assert audit(api)[1:] == [("queue_resume", "kim", "maintenance")]

    def test_without_a_pause_there_is_no_form_but_what_is_possible(self, api: ApiSite) -> None:
        answer = open_form(api, RESUME)
        assert answer.status_code == 409
        assert "The queue is not paused." in answer.text
        assert links_in(answer.text) == [PAUSE, RATE]
        assert "<form" not in answer.text.split("</header>")[1]

    def test_who_comes_second_is_told_and_changes_nothing(self, api: ApiSite) -> None:
        control(api).pause(ANNA)
        seen = open_form(api, RESUME).text
        control(api).resume(ANNA)
        answer = send_form(api, RESUME, seen, reason="me too", actor="kim")
        assert answer.status_code == 409
        assert "The queue is not paused." in answer.text
        assert [actor for _, actor, _ in audit(api)] == ["anna", "anna"]


class TestRate:
    def test_a_limit_holds_until_it_is_lifted(self, api: ApiSite) -> None:
        assert act(api, RATE, per_second=" 2.5 ").headers["Location"] == "/?done=rate_limited"
        rate = drain(api).rate
        assert rate is not None
        assert (rate.per_second, rate.actor, rate.reason) == (2.5, "kim", "maintenance")
        seen = open_form(api, RATE).text
        assert 'value="2.5"' in seen
        assert "kim: maintenance" in seen
        assert act(api, RATE, per_second="").headers["Location"] == "/?done=rate_lifted"
        assert drain(api).rate is None
        assert [action for action, *_ in audit(api)] == ["queue_rate", "queue_rate"]

    @pytest.mark.parametrize("typed", ["0", "-1", "nan", "inf", "1e999", "2,5", "fast", "1000001"])
    def test_what_is_no_speed_is_said_and_kept(self, api: ApiSite, typed: str) -> None:
        answer = act(api, RATE, per_second=typed)
        assert answer.status_code == 422
        assert "It should be a number above 0 and at most 1,000,000, such as 2.5." in answer.text
        assert f'value="{typed}"' in answer.text
        assert drain(api).rate is None

    def test_a_limit_that_is_none_cannot_be_lifted(self, api: ApiSite) -> None:
        answer = act(api, RATE, per_second="")
        assert answer.status_code == 422
        assert "There is no limit to lift: please give a number." in answer.text
        assert audit(api) == []

    def test_the_lower_limit_of_the_settings_is_said(self, site: Site) -> None:
        api = ApiSite(site, retry={"max_rate": 3})
        with api.client:
            act(api, RATE, per_second="50")
            seen = text_of(open_form(api, RATE).text)
        assert "Speed at most 3 orders a second" in seen
        assert "The settings allow at most 3 orders a second" in seen
