"""Each public name has a word, so that no reader meets a name for programs."""

from __future__ import annotations

from breakwall.breaker import CircuitState, OverrideMode
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.interventions import Action
from breakwall.payments.operator.outlook import Outlook
from breakwall.payments.orders import EndReason, OrderStatus
from breakwall.payments.outcomes.operator import DeliveryState
from breakwall.web.page import labels
from breakwall.web.page.acting.order_links import PATHS
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


def test_what_a_worker_does_after_a_retry_has_a_sentence_for_each_case() -> None:
    assert {name for name in labels.DONE if name.startswith("retry_")} == {f"retry_{one}" for one in Outlook}


def test_each_action_on_an_order_has_an_address_and_a_word() -> None:
    assert set(labels.ORDER_ACTIONS) == set(PATHS)


def test_no_two_states_have_the_same_symbol() -> None:
    assert len(set(labels.STATE_SYMBOLS.values())) == len(OrderStatus)


def test_a_name_of_a_newer_release_is_shown_as_it_is() -> None:
    assert labels.label(labels.REASONS, "card_stolen", Words("ko")) == "card_stolen"
    assert labels.label(labels.STATES, None, Words("en")) == "–"
