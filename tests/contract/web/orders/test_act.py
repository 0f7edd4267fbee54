from __future__ import annotations

from typing import Any

import pytest
from httpx2 import Response

from breakwall.web.orders.documents import OrderDocument, RetriedOrder
from tests.contract.people import (
    OTHER_PAYLOAD,
    dead,
    give_to_another_gateway,
    in_review,
    interventions_of,
    queued,
    refused_without_a_look_up,
)
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import document, problem

REASON = {"reason": "The service is back.", "actor": "anna"}


def act(api: ApiSite, action: str, body: dict[str, Any] | None = None, name: str = "cart-1") -> Response:
    return api.client.post(f"/v1/orders/{name}/{action}", json=REASON if body is None else {**REASON, **body})


class TestRetry:
    def test_a_dead_order_is_due_at_once_and_it_is_recorded_who_wanted_that(self, api: ApiSite) -> None:
        dead(api.site)
        found = document(RetriedOrder, act(api, "retry"))
        assert (found["status"], found["released"]) == ("queued", False)
        assert found["outlook"].startswith("A worker sends it next.")
        (done,) = interventions_of(api.site)
        assert (done.action, done.actor, done.reason) == ("retry", "anna", "The service is back.")

    def test_an_order_that_may_have_charged_is_looked_up_first(self, api: ApiSite) -> None:
        in_review(api.site)
        assert "looks it up" in document(RetriedOrder, act(api, "retry"))["outlook"]

    def test_it_gets_a_new_key_for_evidence(self, api: ApiSite) -> None:
        dead(api.site)
        before = api.site.get().charge_key
        found = document(
            RetriedOrder, act(api, "retry", {"new_key": True, "evidence": "their support says so"})
        )
        assert found["charge_key"] != before
        assert "you stated that nothing was charged" in found["outlook"]
        assert interventions_of(api.site)[0].evidence == "their support says so"

    @pytest.mark.parametrize(
        "body", [{"new_key": True}, {"evidence": "seen"}, {"new_key": True, "evidence": " "}]
    )
    def test_a_new_key_and_evidence_belong_together(self, api: ApiSite, body: dict[str, Any]) -> None:
        dead(api.site)
        answer = act(api, "retry", body)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["evidence"])
        assert api.site.get().status == "dead"

    def test_of_another_gateways_order_it_says_nothing_that_only_that_gateway_knows(
        self, api: ApiSite
    ) -> None:
        in_review(api.site)
        give_to_another_gateway(api.site)
        assert "another gateway's" in document(RetriedOrder, act(api, "retry"))["outlook"]

    def test_another_gateways_refused_order_is_left_to_its_workers(self, api: ApiSite) -> None:
        refused_without_a_look_up(api.site)
        give_to_another_gateway(api.site)
        answer = act(api, "retry")
        assert (answer.status_code, problem(answer)) == (409, "refused")
        assert "the gateway 'other'" in answer.json()["detail"]

    def test_a_key_conflict_is_refused_with_what_is_possible(self, api: ApiSite) -> None:
        in_review(api.site, answer=OTHER_PAYLOAD)
        answer = act(api, "retry")
        assert (answer.status_code, problem(answer)) == (409, "refused")
        assert answer.json()["possible"] == ["resolve_paid", "resolve_not_charged"]


class TestCancel:
    def test_an_order_that_was_not_sent_is_cancelled_at_once(self, api: ApiSite) -> None:
        queued(api.site)
        assert document(OrderDocument, act(api, "cancel"))["status"] == "cancelled"
        assert interventions_of(api.site)[0].action == "cancel"

    def test_a_paid_order_is_refused_with_what_is_possible(self, api: ApiSite) -> None:
        queued(api.site)
        act(api, "resolve", {"outcome": "paid", "charge_id": "ch_1"})
        answer = act(api, "cancel")
        assert (answer.status_code, problem(answer)) == (409, "refused")
        assert (answer.json()["status_now"], answer.json()["possible"]) == ("paid", [])


class TestResolve:
    def test_an_order_is_paid_by_the_charge_that_a_person_names(self, api: ApiSite) -> None:
        in_review(api.site)
        found = document(OrderDocument, act(api, "resolve", {"outcome": "paid", "charge_id": "ch_9"}))
        assert (found["status"], found["charge_id"]) == ("paid", "ch_9")

    def test_an_order_in_review_is_dead_if_a_person_says_that_nothing_was_charged(self, api: ApiSite) -> None:
        in_review(api.site)
        assert document(OrderDocument, act(api, "resolve", {"outcome": "not_charged"}))["status"] == "dead"

    def test_no_other_order_can_be_resolved_as_not_charged(self, api: ApiSite) -> None:
        queued(api.site)
        answer = act(api, "resolve", {"outcome": "not_charged"})
        assert (answer.status_code, answer.json()["possible"]) == (409, ["retry", "cancel", "resolve_paid"])

    def test_a_charge_of_another_order_is_refused(self, api: ApiSite) -> None:
        api.site.know_a_charge("paid-before")
        in_review(api.site)
        answer = act(api, "resolve", {"outcome": "paid", "charge_id": "ch_of_paid-before"})
        assert (answer.status_code, problem(answer)) == (409, "refused")
        assert api.site.get().status == "review"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"outcome": "lost"},
            {"outcome": "paid"},
            {"outcome": "paid", "charge_id": ""},
            {"outcome": "paid", "charge_id": "\u202e"},
            {"outcome": "not_charged", "charge_id": "ch_1"},
        ],
    )
    def test_a_body_says_what_was_found_out(self, api: ApiSite, body: dict[str, Any]) -> None:
        in_review(api.site)
        answer = act(api, "resolve", body)
        assert (answer.status_code, problem(answer)) == (422, "invalid-request")
        assert api.site.get().status == "review"


ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("retry", {}),
    ("cancel", {}),
    ("resolve", {"outcome": "paid", "charge_id": "ch_1"}),
]


@pytest.mark.parametrize(("action", "body"), ACTIONS)
class TestEachAction:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("reason", None),
            ("reason", ""),
            ("reason", "x" * 501),
            ("reason", "\u202e"),
            ("actor", ""),
            ("colour", 1),
        ],
    )
    def test_says_why_and_nothing_unknown(
        self, api: ApiSite, action: str, body: dict[str, Any], field: str, value: object
    ) -> None:
        queued(api.site)
        answer = act(api, action, {**body, field: value})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
        assert not interventions_of(api.site)

    def test_names_an_order(self, api: ApiSite, action: str, body: dict[str, Any]) -> None:
        assert act(api, action, body).status_code == 404

    def test_refuses_a_name_that_fits_two_orders(
        self, api: ApiSite, action: str, body: dict[str, Any]
    ) -> None:
        (order_id,) = queued(api.site)
        queued(api.site, order_id)
        answer = act(api, action, body, order_id)
        assert (answer.status_code, problem(answer)) == (409, "ambiguous-name")
        assert act(api, f"{action}?by=id", body, order_id).status_code == 200
        assert len(interventions_of(api.site)) == 1
