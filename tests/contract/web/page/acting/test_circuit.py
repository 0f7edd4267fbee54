"""The circuit, as a person handles it on the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import CircuitBreaker, CircuitState, OverrideMode, StoreLostError
from breakwall.breaker.circuit.state import Override
from breakwall.payments.db.database import Database
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.operator.audit_entries import AuditEntry, list_audit
from tests.contract.site import Site
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import (
    act,
    hidden_in,
    links_in,
    open_form,
    send_form,
    text_of,
)

FORCE_OPEN, FORCE_CLOSED = "/act/circuit/force-open", "/act/circuit/force-closed"
OBSERVE, AUTO, PROBE = "/act/circuit/observe", "/act/circuit/auto", "/act/circuit/probe"
OVERRIDES = [
    (FORCE_OPEN, OverrideMode.FORCED_OPEN, "breaker_force_open", "circuit_forced_open"),
    (FORCE_CLOSED, OverrideMode.FORCED_CLOSED, "breaker_force_close", "circuit_forced_closed"),
    (OBSERVE, OverrideMode.OBSERVING, "breaker_observe", "circuit_observing"),
]


def override(api: ApiSite) -> Override | None:
    return api.site.breaker.status().override


def audit(api: ApiSite) -> list[AuditEntry]:
    """First to last."""
    found = api.site.database.read(lambda connection: list_audit(connection, limit=10))
    return found[::-1]


@pytest.mark.parametrize(("address", "mode", "action", "done"), OVERRIDES)
class TestOverride:
    def test_it_holds_for_the_chosen_time_with_who_and_why(
        self, api: ApiSite, address: str, mode: OverrideMode, action: str, done: str
    ) -> None:
        answer = act(api, address, lasts="900")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/?done={done}")
        held = override(api)
        assert held is not None
        assert (held.mode, held.actor, held.reason) == (mode, "kim", "maintenance")
        assert held.expires_at == held.set_at + 900
        (entry,) = audit(api)
        assert (entry.action, entry.actor, entry.reason) == (action, "kim", "maintenance")
        assert (entry.detail, entry.result) == ("for 900 s", "done")

    def test_the_one_in_force_can_be_prolonged(
        self, api: ApiSite, address: str, mode: OverrideMode, action: str, done: str
    ) -> None:
        act(api, address, lasts="300")
        assert "maintenance. It ends by itself in 5 min." in text_of(open_form(api, address).text)
        act(api, address, lasts="")
        held = override(api)
        assert held is not None
        assert held.expires_at is None

    def test_who_comes_second_is_told_first(
        self, api: ApiSite, address: str, mode: OverrideMode, action: str, done: str
    ) -> None:
        seen = open_form(api, address).text
        api.site.breaker.force_open("the bank calls", "anna")
        answer = send_form(api, address, seen, reason="mine", actor="kim", lasts="3600")
        assert answer.status_code == 409
        assert "by anna 0 s ago: the bank calls." in answer.text
        assert 'value="mine"' in answer.text
        assert '<option value="3600" selected>' in answer.text
        held = override(api)
        assert held is not None
        assert held.actor == "anna"


def test_auto_lifts_the_override(api: ApiSite) -> None:
    api.site.breaker.force_open("the bank calls", "anna")
    assert act(api, AUTO).headers["Location"] == "/?done=circuit_automatic"
    assert override(api) is None
    assert [(one.action, one.actor, one.reason) for one in audit(api)] == [
        ("breaker_auto", "kim", "maintenance")
    ]


def test_without_an_override_there_is_none_to_lift(api: ApiSite) -> None:
    answer = open_form(api, AUTO)
    assert answer.status_code == 409
    assert "There is no override to lift." in answer.text
    assert links_in(answer.text) == [FORCE_OPEN, FORCE_CLOSED, OBSERVE]


class TestProbe:
    def test_the_next_payment_is_a_probe(self, api: ApiSite) -> None:
        api.site.open_circuit()
        assert "Next probe in 30 s" in text_of(open_form(api, PROBE).text)
        assert act(api, PROBE).headers["Location"] == "/?done=circuit_probed"
        assert api.site.breaker.acquire().is_probe
        assert [(one.action, one.reason) for one in audit(api)] == [("breaker_probe", "maintenance")]

    def test_it_is_not_offered_where_it_would_change_nothing(self, api: ApiSite) -> None:
        def refused() -> str:
            answer = open_form(api, PROBE)
            assert answer.status_code == 409
            assert PROBE not in links_in(answer.text)
            return text_of(answer.text)

        assert "The circuit is closed: every payment tries the service." in refused()
        api.site.open_circuit()
        seen = open_form(api, PROBE).text
        api.site.breaker.force_open("maintenance", "kim")
        assert "The circuit is forced open" in refused()
        assert send_form(api, PROBE, seen, reason="mine").status_code == 409
        api.site.breaker.auto("kim")
        api.site.advance(api.site.breaker.status().retry_after)
        assert api.site.breaker.status().state is CircuitState.HALF_OPEN
        assert "The circuit is half-open" in refused()
        assert send_form(api, PROBE, seen, reason="mine").status_code == 409
        assert audit(api) == []


def test_what_the_store_does_not_confirm_is_said_and_recorded(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise StoreLostError("the store of circuit 'payment' did not confirm the override in time")

    monkeypatch.setattr(CircuitBreaker, "force_open", lost)
    answer = act(api, FORCE_OPEN, reason="mine", lasts="300")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "it may have stored it" in answer.text
    assert 'value="mine"' in answer.text
    assert [one.result for one in audit(api)] == ["unconfirmed"]


def test_a_lost_store_loses_nothing_that_was_typed(api: ApiSite, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, held = open_form(api, FORCE_OPEN).text, api.site.breaker.status()

    def send() -> str:
        answer = send_form(api, FORCE_OPEN, seen, reason="mine", actor="kim", lasts="300")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "The circuit&#39;s store does not answer" in answer.text
        assert hidden_in(answer.text) == {**hidden_in(seen), "reason": "mine", "actor": "kim", "lasts": "300"}
        return answer.text

    def lost(*_: object) -> None:
        monkeypatch.setattr(CircuitBreaker, "status", lambda _: replace(held, store_ok=False))
        raise StoreLostError("the store of circuit 'payment' did not confirm the override in time")

    monkeypatch.setattr(CircuitBreaker, "force_open", lost)
    assert "It is not known whether this was done." in send()
    assert "Nothing was done." in send()


def test_what_cannot_be_recorded_is_not_done(api: ApiSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("the orders database does not answer")

    monkeypatch.setattr(Database, "write", away)
    answer = act(api, FORCE_OPEN, reason="mine", lasts="300")
    assert answer.status_code == 503
    assert 'value="mine"' in answer.text
    assert override(api) is None


@pytest.mark.parametrize("address", [FORCE_OPEN, FORCE_CLOSED, OBSERVE, AUTO, PROBE])
def test_a_circuit_that_processes_do_not_share_is_left_alone(site: Site, address: str) -> None:
    api = ApiSite(site, breaker_store_url="memory://")
    with api.client:
        answers = [open_form(api, address), send_form(api, address, "", reason="mine", lasts="300")]
        overview = api.client.get("/").text
    for answer in answers:
        assert answer.status_code == 409
        assert "<code>BREAKWALL_BREAKER_STORE_URL</code>" in answer.text
    assert override(api) is None
    assert not [link for link in links_in(overview) if link.startswith("/act/circuit")]
