"""One order, as a person handles it on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from breakwall.access.scopes import Scope
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from breakwall.payments.operator.audit_entries import list_audit
from breakwall.payments.orders import OrderStatus
from tests.contract.people import (
    ANNA,
    OTHER_PAYLOAD,
    dead,
    give_to_another_gateway,
    in_review,
    interventions_of,
    queued,
    refused_without_a_look_up,
)
from tests.contract.site import Site
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import (
    act,
    links_in,
    open_form,
    send_form,
    sign_in,
    text_of,
)
from tests.gateway import PAID

pytestmark = pytest.mark.one_database

TYPED = {"reason": "their support has looked", "actor": "민준"}
EVIL = '<script>alert("1")</script>%(x)s`x'


def died(site: Site) -> str:
    return dead(site)[0]


@dataclass(frozen=True)
class Case:
    """One action: the order before, what is typed, and what is done."""

    path: str
    before: Callable[[Site], str]
    after: str
    recorded: str
    done: str
    typed: dict[str, str] = field(default_factory=dict)


CASES = [
    Case("retry", died, "queued", "retry", "retry_sent"),
    Case("retry", in_review, "queued", "retry", "retry_looked_up"),
    Case("cancel", died, "cancelled", "cancel", "order_cancelled"),
    Case("paid", in_review, "paid", "resolve_paid", "order_paid", {"charge_id": "ch_77"}),
    Case("not-charged", in_review, "dead", "resolve_not_charged", "order_not_charged"),
]
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path}-{case.before.__name__}")


def page_of(api: ApiSite, query: str = "") -> str:
    answer = api.client.get(f"/orders/{api.site.get().id}{query}")
    assert answer.status_code == 200
    return answer.text


def allowed(html: str) -> list[str]:
    return [link.rpartition("/")[2] for link in links_in(html) if "/act/orders/" in link]


@EACH
class TestEachAction:
    def test_is_done_once_with_who_and_why(self, api: ApiSite, case: Case) -> None:
        order = case.before(api.site)
        answer = act(api, f"/act/orders/{order}/{case.path}", **TYPED, **case.typed)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/orders/{order}?done={case.done}")
        assert api.site.get().status == case.after
        (entry,) = api.site.database.read(lambda connection: list_audit(connection, limit=10))
        assert (entry.action, entry.subject) == (f"order_{case.recorded}", order)
        assert (entry.actor, entry.reason) == (TYPED["actor"], TYPED["reason"])

    def test_is_said_where_the_person_came_from(self, api: ApiSite, case: Case) -> None:
        order = case.before(api.site)
        done = act(api, f"/act/orders/{order}/{case.path}", **TYPED, **case.typed)
        assert 'role="status"' in api.client.get(done.headers["Location"]).text

    def test_needs_a_reason_and_loses_nothing_that_was_typed(self, api: ApiSite, case: Case) -> None:
        order = case.before(api.site)
        status = api.site.get().status
        typed = {**TYPED, **case.typed, "reason": ""}
        answer = act(api, f"/act/orders/{order}/{case.path}", **typed)
        assert answer.status_code == 422
        for value in filter(None, typed.values()):
            assert f'value="{value}"' in answer.text
        assert api.site.get().status is status
        assert not interventions_of(api.site)

    def test_shows_the_money_and_the_key_at_the_payment_service(self, api: ApiSite, case: Case) -> None:
        order = case.before(api.site)
        said = text_of(open_form(api, f"/act/orders/{order}/{case.path}").text)
        assert "₩10,000" in said
        assert api.site.get().charge_key in said

    def test_on_an_order_that_another_person_has_just_paid_says_so(self, api: ApiSite, case: Case) -> None:
        order = case.before(api.site)
        address = f"/act/orders/{order}/{case.path}"
        seen = open_form(api, address).text
        api.site.people.resolve_paid(order, "ch_other", Author("bert", "seen"))
        answer = send_form(api, address, seen, **TYPED, **case.typed)
        assert answer.status_code == 409
        assert "The order is now: paid." in text_of(answer.text)
        assert 'class="acting"' not in answer.text
        assert [one.actor for one in interventions_of(api.site)] == ["bert"]

    def test_on_an_order_that_is_paid_has_no_form(self, api: ApiSite, case: Case) -> None:
        order = case.before(api.site)
        api.site.people.resolve_paid(order, "ch_other", ANNA)
        answer = open_form(api, f"/act/orders/{order}/{case.path}")
        assert answer.status_code == 409
        assert 'class="acting"' not in answer.text

    @pytest.mark.parametrize("name", ["nothing", "a" * 32, "%00"])
    def test_on_no_order_says_so(self, api: ApiSite, case: Case, name: str) -> None:
        assert open_form(api, f"/act/orders/{name}/{case.path}").status_code == 404

    def test_runs_no_text_of_a_customer(self, api: ApiSite, case: Case) -> None:
        order = case.before(api.site)
        answer = act(api, f"/act/orders/{order}/{case.path}", **{**TYPED, "reason": EVIL * 20, "actor": EVIL})
        assert answer.status_code == 422
        assert "<script>alert" not in answer.text


class TestLinks:
    @pytest.mark.parametrize(
        ("before", "wanted"),
        [
            (lambda site: queued(site)[0], ["retry", "cancel", "paid"]),
            (died, ["retry", "cancel", "paid"]),
            (in_review, ["retry", "paid", "not-charged"]),
            (lambda site: in_review(site, answer=OTHER_PAYLOAD), ["paid", "not-charged"]),
        ],
        ids=["queued", "dead", "review", "key conflict"],
    )
    def test_an_order_leads_to_what_is_possible_and_each_has_a_form(
        self, api: ApiSite, before: Callable[[Site], str], wanted: list[str]
    ) -> None:
        before(api.site)
        html = page_of(api)
        assert allowed(html) == wanted
        assert {open_form(api, link).status_code for link in links_in(html)} == {200}

    def test_a_paid_order_leads_to_nothing(self, api: ApiSite) -> None:
        api.site.attempt(queued(api.site)[0], PAID, OrderStatus.PAID)
        assert allowed(page_of(api)) == []

    def test_who_may_only_read_sees_none(self, api: ApiSite) -> None:
        order = died(api.site)
        sign_in(api, Scope.OPS_READ)
        assert links_in(page_of(api)) == []
        assert links_in(api.client.get("/").text) == []
        assert open_form(api, f"/act/orders/{order}/retry").status_code == 403

    def test_a_refusal_leads_to_what_is_possible_instead(self, api: ApiSite) -> None:
        order = in_review(api.site)
        answer = open_form(api, f"/act/orders/{order}/cancel")
        assert answer.status_code == 409
        assert "It may have been charged: a person has to find out." in text_of(answer.text)
        assert allowed(answer.text) == ["retry", "paid", "not-charged"]

    def test_the_overview_leads_from_what_waits_to_what_can_be_done(self, api: ApiSite) -> None:
        gone, unclear = dead(api.site, "gone")[0], in_review(api.site, "unclear")
        found = links_in(api.client.get("/").text)
        assert f"/act/orders/{gone}/retry" in found
        assert {f"/act/orders/{unclear}/paid", f"/act/orders/{unclear}/not-charged"} <= set(found)


class TestRetry:
    def test_another_gateways_refused_order_is_left_to_its_workers(self, api: ApiSite) -> None:
        order = refused_without_a_look_up(api.site)
        give_to_another_gateway(api.site)
        answer = act(api, f"/act/orders/{order}/retry", **TYPED)
        assert answer.status_code == 409
        assert "charged by the gateway other" in text_of(answer.text)

    def test_a_new_key_is_for_evidence(self, api: ApiSite) -> None:
        order = died(api.site)
        before = api.site.get().charge_key
        answer = act(
            api, f"/act/orders/{order}/retry", **TYPED, new_key="on", evidence="their support says so"
        )
        assert answer.headers["Location"].endswith("?done=retry_sent_vouched_for")
        assert api.site.get().charge_key != before
        assert interventions_of(api.site)[0].evidence == "their support says so"

    @pytest.mark.parametrize(
        ("given", "advice"),
        [
            ({"new_key": "on"}, "A new key needs it"),
            ({"new_key": "on", "evidence": " "}, "A new key needs it"),
            ({"evidence": "seen there"}, "Evidence is for a new key only"),
        ],
    )
    def test_a_new_key_and_evidence_belong_together(
        self, api: ApiSite, given: dict[str, str], advice: str
    ) -> None:
        order = died(api.site)
        answer = act(api, f"/act/orders/{order}/retry", **TYPED, **given)
        assert answer.status_code == 422
        assert advice in answer.text
        assert f'value="{TYPED["reason"]}"' in answer.text
        assert api.site.get().status is OrderStatus.DEAD

    def test_an_order_that_may_have_charged_is_offered_no_new_key(self, api: ApiSite) -> None:
        order = in_review(api.site)
        assert 'name="new_key"' not in open_form(api, f"/act/orders/{order}/retry").text

    def test_and_gets_none_from_a_form_that_was_made_by_hand(self, api: ApiSite) -> None:
        order = in_review(api.site)
        before = api.site.get().charge_key
        answer = act(api, f"/act/orders/{order}/retry", **TYPED, new_key="on", evidence="seen")
        assert (answer.status_code, api.site.get().charge_key) == (409, before)
        assert "so it gets no new key" in answer.text

    def test_what_a_worker_does_next_is_said_in_the_readers_language(self, api: ApiSite) -> None:
        died(api.site)
        said = text_of(page_of(api, "?done=retry_looked_up&lang=en"))
        assert "a worker looks it up before anything is sent" in said
        assert "a worker" not in text_of(page_of(api, "?done=retry_looked_up&lang=ko"))

    def test_while_the_drain_is_paused_it_says_that_this_order_is_worked_on(self, api: ApiSite) -> None:
        address = f"/act/orders/{died(api.site)}/retry"
        said = "The queue is paused: this order is worked on nevertheless."
        assert said not in open_form(api, address).text
        DrainControl(api.site.database, clock=api.site.clock).pause(ANNA)
        assert said in open_form(api, address).text


def test_a_cancellation_that_has_to_wait_says_so(api: ApiSite) -> None:
    order = queued(api.site)[0]
    assert api.site.ledger.claim(order) is not None
    answer = act(api, f"/act/orders/{order}/cancel", **TYPED)
    assert answer.headers["Location"].endswith("?done=cancel_requested")
    assert api.site.get().cancel_requested


def test_a_charge_of_another_order_is_refused_at_its_field(api: ApiSite) -> None:
    api.site.know_a_charge("paid-before")
    order = in_review(api.site)
    answer = act(api, f"/act/orders/{order}/paid", **TYPED, charge_id="ch_of_paid-before")
    assert answer.status_code == 409
    assert "This charge belongs to another order:" in answer.text
    assert 'value="ch_of_paid-before"' in answer.text
    assert api.site.get().status is OrderStatus.REVIEW


def test_an_order_whose_state_has_changed_is_shown_again_before_anything_is_done(api: ApiSite) -> None:
    order = in_review(api.site)
    address = f"/act/orders/{order}/paid"
    seen = open_form(api, address).text
    api.site.people.resolve_not_charged(order, ANNA)
    answer = send_form(api, address, seen, **TYPED, charge_id="ch_1")
    assert answer.status_code == 409
    assert 'value="ch_1"' in answer.text
    assert api.site.get().status is OrderStatus.DEAD
