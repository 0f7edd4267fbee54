"""Each public name has a word, so that no reader meets a name for programs."""

from __future__ import annotations

from breakwall.breaker import CircuitState, OverrideMode
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.interventions import Action
from breakwall.payments.orders import EndReason, OrderStatus
from breakwall.payments.outcomes.operator import DeliveryState
from breakwall.web.page import labels
from breakwall.web.page.situations import Severity
from breakwall.web.page.words import Words


def test_no_name_is_left_out() -> None:
    assert set(labels.STATES) == set(labels.STATE_SYMBOLS) == set(labels.MEANINGS) == set(OrderStatus)
    assert set(labels.OUTCOMES) == set(labels.OUTCOME_SYMBOLS) == {*(one.value for one in Outcome), None}
    assert set(labels.REASONS) == set(EndReason)
    assert set(labels.ACTIONS) == set(Action)
    assert set(labels.INCIDENTS) == set(IncidentKind)
    assert set(labels.DELIVERIES) == set(DeliveryState)
    assert set(labels.CIRCUITS) == set(labels.CIRCUIT_MEANINGS) == {one.value for one in CircuitState}
    assert set(labels.OVERRIDES) == set(OverrideMode)
    assert set(labels.SEVERITIES) == set(Severity)


def test_no_two_states_have_the_same_symbol() -> None:
    assert len(set(labels.STATE_SYMBOLS.values())) == len(OrderStatus)


def test_a_name_of_a_newer_release_is_shown_as_it_is() -> None:
    assert labels.label(labels.REASONS, "card_stolen", Words("ko")) == "card_stolen"
    assert labels.label(labels.STATES, None, Words("en")) == "–"
