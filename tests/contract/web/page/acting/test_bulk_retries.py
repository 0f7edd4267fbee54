"""Bulk retries, as a person makes and aborts them on the page."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from breakwall.payments.interventions import Author
from breakwall.payments.operator.audit_entries import list_audit
from breakwall.payments.operator.bulk_retry.preview import Preview
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.downgrade import downgrade
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.acting import bulk_retries
from breakwall.web.page.overview_lists import _MOST_WANTED
from tests.contract import bulk
from tests.contract.people import ANNA, OTHER_PAYLOAD, dead, in_review, interventions_of, queued
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import (
    act,
    hidden_in,
    links_in,
    open_form,
    send_form,
    text_of,
)

pytestmark = pytest.mark.one_database

ADDRESS = "/act/orders/retry-all"
TYPED = {"reason": "key rotated", "actor": "kim"}


def counted(api: ApiSite, **selection: str) -> httpx2.Response:
    """The second step: what would happen."""
    question = open_form(api, f"{ADDRESS}?{urlencode(selection)}")
    assert question.status_code == 200
    wanted = {"status": "dead", **hidden_in(question.text), **selection}
    return open_form(api, f"{ADDRESS}?{urlencode(wanted)}")


def made(api: ApiSite) -> list[BulkRetry]:
    return BulkRetries(api.services.database, clock=api.services.clock).newest(10)


def make(api: ApiSite) -> BulkRetry:
    dead(api.site, "a")
    return BulkRetries(api.services.database, clock=api.services.clock).create(
        Selection((OrderStatus.DEAD,)), ANNA, name="incident 7"
    )


def work(api: ApiSite, one: BulkRetry) -> None:
    list(bulk.runner(api.site.database, api.site.clock).run(one.id))


class TestTheOffer:
    """Of the overview."""

    def test_is_made_although_the_list_has_newer_orders_in_review_only(self, api: ApiSite) -> None:
        dead(api.site, "a")
        for number in range(_MOST_WANTED):
            api.site.advance(1)
            in_review(api.site, f"r{number}")
        html = api.client.get("/").text
        assert ">a</a>" not in html  # The dead order is in no row.
        assert f"{ADDRESS}?status=dead" in links_in(html)

    @pytest.mark.parametrize("reviews", [0, 1, _MOST_WANTED + 1])
    def test_is_not_made_without_a_dead_order(self, api: ApiSite, reviews: int) -> None:
        for number in range(reviews):
            in_review(api.site, f"r{number}")
        assert f"{ADDRESS}?status=dead" not in links_in(api.client.get("/").text)


class TestMakingOne:
    def test_first_asks_which_orders_and_changes_nothing(self, api: ApiSite) -> None:
        dead(api.site, "a")
        seen = open_form(api, f"{ADDRESS}?status=review").text
        assert '<form method="get"' in seen
        assert '<option value="review" selected>' in seen
        assert 'name="reason"' not in seen

    def test_then_counts_what_would_happen(self, api: ApiSite) -> None:
        dead(api.site, "a", "b")
        in_review(api.site, "r")
        api.site.people.resolve_paid("b", "ch_b", ANNA)
        seen = counted(api)
        said = text_of(seen.text)
        assert seen.status_code == 200
        for fact in ("Are retried 1", "Already paid, left alone 1", "In another state, left alone 1 review"):
            assert fact in said
        assert made(api) == []

    def test_then_makes_it_with_who_and_why_and_leads_to_it(self, api: ApiSite) -> None:
        dead(api.site, "a")
        seen = counted(api).text
        answer = send_form(api, ADDRESS, seen, **TYPED, rate="2.5", limit="7", name="incident 7")
        (one,) = made(api)
        assert (answer.status_code, answer.headers["Location"]) == (
            303,
            f"/bulk-retries/{one.id}?done=bulk_retry",
        )
        assert (one.actor, one.reason, one.name) == ("kim", "key rotated", "incident 7")
        assert (one.rate, one.order_limit) == (2.5, 7)
        assert one.selection == Selection((OrderStatus.DEAD,))
        entries = api.site.database.read(lambda connection: list_audit(connection, limit=10))
        assert [(entry.action, entry.subject) for entry in entries] == [("bulk_retry_create", one.id)]
        assert 'role="status"' in api.client.get(answer.headers["Location"]).text

    def test_retries_just_the_orders_that_were_counted(self, api: ApiSite) -> None:
        dead(api.site, "a")
        queued(api.site, "b")
        in_review(api.site, "r")
        send_form(api, ADDRESS, counted(api, status="queued").text, **TYPED)
        (one,) = made(api)
        work(api, one)
        assert [len(interventions_of(api.site, key)) for key in ("a", "b", "r")] == [0, 1, 0]

    def test_has_all_conditions_that_were_chosen(self, api: ApiSite) -> None:
        dead(api.site, "a")
        api.site.advance(1000)
        chosen = {"currency": "krw", "older_than": "900", "error": "No credentials", "rejected": "on"}
        seen = counted(api, **chosen)
        assert "KRW · older than 15 min · last error with “No credentials”" in text_of(seen.text)
        send_form(api, ADDRESS, seen.text, **TYPED)
        wanted = Selection((OrderStatus.DEAD,), "KRW", 900.0, "No credentials", True)
        assert [one.selection for one in made(api)] == [wanted]

    def test_twice_with_the_same_form_makes_one(self, api: ApiSite) -> None:
        dead(api.site, "a")
        seen = counted(api).text
        first = send_form(api, ADDRESS, seen, **TYPED)
        work(api, made(api)[0])  # No order matches any more.
        second = send_form(api, ADDRESS, seen, **TYPED)
        assert (second.status_code, second.headers["Location"]) == (303, first.headers["Location"])
        assert len(made(api)) == 1

    def test_with_a_form_that_was_used_for_other_orders_is_refused(self, api: ApiSite) -> None:
        dead(api.site, "a")
        seen = counted(api).text
        send_form(api, ADDRESS, seen, **TYPED)
        other = send_form(api, ADDRESS, seen, **TYPED, status="queued", rate="3")
        assert other.status_code == 409
        assert 'value="3"' in other.text
        assert len(made(api)) == 1

    def test_of_no_order_is_not_possible_and_says_why(self, api: ApiSite) -> None:
        in_review(api.site, "r", answer=OTHER_PAYLOAD)
        seen = counted(api, status="review")
        assert seen.status_code == 409
        assert "Left for a person to resolve: 1." in text_of(seen.text)
        assert 'class="acting"' not in seen.text
        assert links_in(seen.text) == [f"{ADDRESS}?status=review"]

    @pytest.mark.parametrize(
        ("field", "value", "advice"),
        [
            ("rate", "0", "It should be a number above 0"),
            ("rate", "0.0001", "It should be at least 0.001."),
            ("rate", "1e300", "It should be a number above 0"),
            ("limit", "2.5", "It should be a whole number from 1 to 2,147,483,647, such as 1."),
            ("limit", "1e12", "It should be a whole number from 1 to 2,147,483,647, such as 1."),
            ("reason", "", "Please fill this in."),
            ("name", "x" * 256, "At most 255 characters fit."),
        ],
    )
    def test_with_a_wrong_field_is_refused_and_loses_nothing_that_was_typed(
        self, api: ApiSite, field: str, value: str, advice: str
    ) -> None:
        dead(api.site, "a")
        answer = send_form(api, ADDRESS, counted(api).text, **{**TYPED, "name": "incident 7", field: value})
        assert answer.status_code == 422
        assert advice in answer.text
        assert f'value="{value}"' in answer.text
        assert made(api) == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"status": "paid"},
            {"status": ""},
            {"currency": "XQQ"},
            {"older_than": "7"},
            {"error": "a\x00"},
            {"error": "x" * 501},
        ],
    )
    def test_never_drops_a_condition_that_cannot_be_used(self, api: ApiSite, wrong: dict[str, str]) -> None:
        dead(api.site, "a")
        chosen = {"status": "dead", "step": "counted", **wrong}
        assert open_form(api, f"{ADDRESS}?{urlencode(chosen)}").status_code == 422
        answer = send_form(api, ADDRESS, "", **chosen, **TYPED)
        assert answer.status_code == 422
        assert made(api) == []

    def test_leads_back_to_the_question_with_what_was_chosen(self, api: ApiSite) -> None:
        dead(api.site, "a")
        seen = counted(api, error="No credentials").text
        (back,) = map(unescape, re.findall(r'<p class="crumbs"><a href="([^"]+)"', seen))
        assert parse_qs(urlsplit(back).query) == {"status": ["dead"], "error": ["No credentials"]}
        assert 'value="No credentials"' in open_form(api, back).text

    def test_that_took_too_long_to_count_is_possible_and_says_so(
        self, api: ApiSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unknown: Any = None
        nothing = Preview(unknown, unknown, unknown, unknown, unknown)
        monkeypatch.setattr(bulk_retries, "preview", lambda *_, **__: nothing)
        dead(api.site, "a")
        seen = counted(api)
        assert text_of(seen.text).count("(not counted)") == 5
        send_form(api, ADDRESS, seen.text, **TYPED)
        assert len(made(api)) == 1

    def test_before_the_database_has_its_tables_says_what_to_run(self, api: ApiSite) -> None:
        downgrade(api.site.database.engine)
        answer = open_form(api, ADDRESS)
        assert answer.status_code == 503
        assert "<code>breakwall db upgrade</code>" in answer.text

    def test_is_offered_once_the_database_has_its_tables(self, api: ApiSite) -> None:
        dead(api.site, "a")

        def is_offered() -> bool:
            api.services.live.look_again()
            return f"{ADDRESS}?status=dead" in links_in(api.client.get("/").text)

        assert is_offered()
        downgrade(api.site.database.engine)
        assert not is_offered()


class TestAbortingOne:
    def test_ends_it_with_who_and_why(self, api: ApiSite) -> None:
        one = make(api)
        answer = act(api, f"/act/bulk-retries/{one.id}/abort", **TYPED)
        assert (answer.status_code, answer.headers["Location"]) == (
            303,
            f"/bulk-retries/{one.id}?done=bulk_retry_abort",
        )
        (ended,) = made(api)
        assert (ended.state, ended.aborted_by, ended.abort_reason) == ("aborted", "kim", "key rotated")
        entries = api.site.database.read(lambda connection: list_audit(connection, limit=10))
        assert [entry.action for entry in entries].count("bulk_retry_abort") == 1

    def test_that_another_person_has_aborted_says_who(self, api: ApiSite) -> None:
        one = make(api)
        address = f"/act/bulk-retries/{one.id}/abort"
        seen = open_form(api, address).text
        BulkRetries(api.services.database).abort(one.id, Author("bert", "too fast"))
        answer = send_form(api, address, seen, **TYPED)
        assert answer.status_code == 409
        assert "Aborted by bert" in text_of(answer.text)
        assert made(api)[0].aborted_by == "bert"

    @pytest.mark.parametrize("name", ["nothing", "a" * 32, "%00"])
    def test_that_does_not_exist_says_so(self, api: ApiSite, name: str) -> None:
        assert open_form(api, f"/act/bulk-retries/{name}/abort").status_code == 404

    def test_is_offered_on_its_page_while_it_is_open(self, api: ApiSite) -> None:
        one = make(api)
        page = f"/bulk-retries/{one.id}"
        assert links_in(api.client.get(page).text) == [f"/act{page}/abort"]
        work(api, one)
        assert links_in(api.client.get(page).text) == []


def test_the_overview_leads_to_it_while_an_order_is_dead(api: ApiSite) -> None:
    queued(api.site, "a")
    assert f"{ADDRESS}?status=dead" not in links_in(api.client.get("/").text)
    dead(api.site, "b")
    api.services.live.look_again()
    assert f"{ADDRESS}?status=dead" in links_in(api.client.get("/").text)
