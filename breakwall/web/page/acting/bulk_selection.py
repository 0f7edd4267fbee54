"""Which orders a person wants to retry: the fields of the form, and the selection that was typed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from breakwall.payments.interventions import MAX_REASON
from breakwall.payments.operator.bulk_retry.selection import Selection, selection_problems
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.acting.form_field import FieldKind, FormField
from breakwall.web.page.labels import STATES, label
from breakwall.web.page.words import Words

STATUS, AGE, CURRENCY, ERROR, REJECTED = "status", "older_than", "currency", "error", "rejected"

_RETRYABLE = (OrderStatus.DEAD, OrderStatus.REVIEW, OrderStatus.QUEUED)
_AGES = (300, 900, 3600, 14_400, 86_400)  # Seconds.


class WrongSelectionError(ValueError):
    """A field cannot be used. Its text names the field, and says what would be right, in the reader's language."""


def selection_fields(typed: Mapping[str, str], words: Words) -> tuple[FormField, ...]:
    """The fields of the form. Each holds what was typed, or else its default."""
    say = words.text
    states = tuple((state.value, label(STATES, state.value, words)) for state in _RETRYABLE)
    ages = tuple((str(age), words.duration(age)) for age in _AGES)
    return (
        FormField(
            name=STATUS,
            label=say("State"),
            kind=FieldKind.CHOICE,
            value=typed.get(STATUS, OrderStatus.DEAD.value),
            choices=states,
        ),
        FormField(
            name=AGE,
            label=say("Accepted at least this long ago"),
            kind=FieldKind.CHOICE,
            value=typed.get(AGE, ""),
            choices=(("", say("any")), *ages),
        ),
        FormField(
            name=CURRENCY,
            label=say("Currency"),
            help=say("A code such as KRW; empty: any."),
            value=typed.get(CURRENCY, ""),
            required=False,
            limit=3,
        ),
        FormField(
            name=ERROR,
            label=say("Last error"),
            help=say("A part of its text, such as `connection refused`; empty: any."),
            value=typed.get(ERROR, ""),
            required=False,
            limit=MAX_REASON,
        ),
        FormField(
            name=REJECTED,
            label=say("Only if the payment service rejected the last attempt"),
            kind=FieldKind.CHECK,
            help=say("Such as for wrong credentials."),
            value=typed.get(REJECTED, ""),
            required=False,
        ),
    )


def selection_of(typed: Mapping[str, str], words: Words) -> Selection:
    """What was typed. Raises `WrongSelectionError`: a text that cannot be used is never left out."""
    for field in selection_fields(typed, words):
        if problem := field.problem(typed.get(field.name, ""), words):
            raise WrongSelectionError(f"{field.label}: {problem}")
    currency = typed.get(CURRENCY, "").strip().upper() or None
    error = typed.get(ERROR, "").strip() or None
    if problems := selection_problems(currency, error):
        raise WrongSelectionError(_said(problems, words))
    return Selection(
        (OrderStatus(typed[STATUS]),),
        currency,
        float(typed.get(AGE) or 0),
        error,
        bool(typed.get(REJECTED)),
    )


def _said(problems: Mapping[str, str], words: Words) -> str:
    if "currency" in problems:
        return words.text("The currency should be a code such as KRW or USD.")
    return words.text("The text of the error has a character that cannot be shown.")


def typed_again(typed: Mapping[str, str]) -> dict[str, str]:
    """The fields of a selection among all that was typed, without the empty ones."""
    names = (STATUS, AGE, CURRENCY, ERROR, REJECTED)
    return {name: typed[name] for name in names if typed.get(name)}
