"""What a bulk retry would do, in numbers of orders and in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from breakwall.payments.operator.bulk_retry.preview import Preview
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.acting.action_page import Fact
from breakwall.web.page.bulk_view import conditions
from breakwall.web.page.labels import STATES, label
from breakwall.web.page.words import Words


def count_facts(selection: Selection, counted: Preview | None, words: Words) -> Iterator[Fact]:
    """Which orders, and what would happen to them. ``counted`` None: they are being retried already."""
    say = words.text
    yield Fact(say("Orders"), " · ".join(conditions(selection, words)))
    if counted is None:
        return
    yield Fact(say("Are retried"), _number(counted.eligible, words))
    yield Fact(say("Of them looked up before a charge"), _number(counted.looked_up_first, words))
    yield Fact(say("Already paid, left alone"), _number(counted.already_paid, words))
    yield Fact(say("In another state, left alone"), _skipped(counted.skipped, words))
    yield Fact(say("Left for a person to resolve"), _number(counted.to_be_resolved, words))


def _number(number: int | None, words: Words) -> str:
    """None: to count them would have taken too long."""
    return words.text("(not counted)") if number is None else words.number(number)


def _skipped(skipped: Mapping[OrderStatus, int] | None, words: Words) -> str:
    if not skipped:
        return _number(None if skipped is None else 0, words)
    return ", ".join(
        f"{words.number(number)} {label(STATES, state.value, words)}" for state, number in skipped.items()
    )


def nothing_matches(counted: Preview, words: Words) -> str:
    """Why none of the orders can be retried."""
    found = words.text(
        "No order matches that can be retried. Already paid: %(paid)s. In another state: %(skipped)s.",
        paid=_number(counted.already_paid, words),
        skipped=_skipped(counted.skipped, words),
    )
    if not counted.to_be_resolved:
        return found
    apart = words.text(
        "Left for a person to resolve: %(number)s.", number=words.number(counted.to_be_resolved)
    )
    return f"{found} {apart}"
