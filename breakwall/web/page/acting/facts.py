"""Facts that more than one action depends on."""

from __future__ import annotations

from collections.abc import Iterator

from breakwall.breaker import BreakerStatus
from breakwall.web.page.acting.action_page import Fact
from breakwall.web.page.acting.asked import Asked
from breakwall.web.page.circuit_view import override_said, state_in_force
from breakwall.web.page.labels import CIRCUIT_MEANINGS, CIRCUITS, label
from breakwall.web.page.words import Words


def circuit_facts(breaker: BreakerStatus, words: Words) -> Iterator[Fact]:
    """What holds, and an operator's override, with what would hold without it."""
    state = state_in_force(breaker)
    meaning = label(CIRCUIT_MEANINGS, state, words)
    yield Fact(words.text("Circuit"), f"{label(CIRCUITS, state, words)}. {meaning}")
    if (said := override_said(breaker, words)) is not None:
        computed = label(CIRCUITS, breaker.state.value, words)
        without = words.text("Without this it would be %(state)s.", state=computed)
        yield Fact(words.text("Override"), f"{said} {without}")


def waiting_facts(asked: Asked) -> Iterator[Fact]:
    """How many orders wait, and their money; nothing if no snapshot has them."""
    backlog = asked.services.live.latest().backlog
    if backlog is None:
        return
    number, money = asked.words.number(backlog.queued), asked.words.amounts(backlog.amounts)
    yield Fact(asked.words.text("Waiting"), f"{number} ({money})" if money else number)
