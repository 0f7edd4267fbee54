"""Incidents, as a person closes them on the page."""

from __future__ import annotations

import pytest

from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import Author
from breakwall.payments.operator.audit_entries import list_audit
from breakwall.payments.operator.incidents import close_incident, find_incident, open_incident
from tests.contract.people import queued
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import act, links_in, open_form, send_form, text_of

TYPED = {"reason": "refunded as re_7", "actor": "kim"}
EVIL = '<script>alert("1")</script>%(x)s`x'


def reported(api: ApiSite) -> StoredIncident:
    queued(api.site)
    return open_incident(api.services.database, "cart-1", Author("anna", EVIL), clock=api.services.clock)


def stored(api: ApiSite, one: StoredIncident) -> StoredIncident:
    return find_incident(api.services.database, one.id)


def test_it_is_closed_with_who_and_why(api: ApiSite) -> None:
    one = reported(api)
    answer = act(api, f"/act/incidents/{one.id}/close", **TYPED)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?done=incident_close")
    assert (stored(api, one).closed_by, stored(api, one).close_reason) == ("kim", "refunded as re_7")
    (entry,) = api.site.database.read(lambda connection: list_audit(connection, limit=10))
    assert (entry.action, entry.actor, entry.reason) == ("incident_close", "kim", "refunded as re_7")
    assert 'role="status"' in api.client.get(answer.headers["Location"]).text


def test_the_form_shows_what_was_found_and_runs_none_of_it(api: ApiSite) -> None:
    one = reported(api)
    seen = open_form(api, f"/act/incidents/{one.id}/close").text
    assert "reported by a person" in text_of(seen)
    assert "<script>alert" not in seen
    assert "&lt;script&gt;alert(" in seen


def test_it_needs_a_reason(api: ApiSite) -> None:
    one = reported(api)
    assert act(api, f"/act/incidents/{one.id}/close", actor="kim", reason="").status_code == 422
    assert stored(api, one).closed_at is None


def test_one_that_another_person_has_closed_says_who_and_why(api: ApiSite) -> None:
    one = reported(api)
    address = f"/act/incidents/{one.id}/close"
    seen = open_form(api, address).text
    close_incident(api.services.database, one.id, Author("bert", "nothing to refund"))
    answer = send_form(api, address, seen, **TYPED)
    assert answer.status_code == 409
    assert "It was closed by bert" in text_of(answer.text)
    assert "Reason: nothing to refund." in text_of(answer.text)
    assert stored(api, one).closed_by == "bert"


@pytest.mark.parametrize("number", ["0", "77", "x", "-1", "%00", "٣", "9" * 10, "9" * 300])
def test_one_that_does_not_exist_says_so(api: ApiSite, number: str) -> None:
    assert open_form(api, f"/act/incidents/{number}/close").status_code == 404


def test_it_is_offered_while_it_is_open(api: ApiSite) -> None:
    one = reported(api)
    address = f"/act/incidents/{one.id}/close"
    for page in ("/", f"/orders/{one.order_id}"):
        assert address in links_in(api.client.get(page).text)
    act(api, address, **TYPED)
    for page in ("/", f"/orders/{one.order_id}"):
        assert address not in links_in(api.client.get(page).text)
