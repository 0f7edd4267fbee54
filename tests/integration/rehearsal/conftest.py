"""Rehearsals with gateways that are made from settings, against services in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from breakwall.payments.gateways import profile_from_settings
from breakwall.rehearsal import cuts
from breakwall.rehearsal.measurements import Measurement, Verdict
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.questions import questions_for
from breakwall.rehearsal.requests import Terms
from breakwall.rehearsal.run import Rehearsal, open_rehearsal
from breakwall.rehearsal.sandbox import RehearsalLimits
from breakwall.settings import load_settings
from tests.manual_clock import MonotonicClock

Rehearse = Callable[..., Rehearsal]

TIMEOUT = 5.0


@pytest.fixture
def rehearse(monkeypatch: pytest.MonkeyPatch) -> Rehearse:
    """Rehearses with settings: ``rehearse(PAYMENT_URL=…)``. Waiting between two calls takes no time."""

    monkeypatch.setattr(cuts, "GIVES_UP", 0.3)

    def run(
        *,
        skip: tuple[str, ...] = (),
        burst: int = 0,
        timeout: float = TIMEOUT,
        terms: Terms | None = None,
        **variables: str,
    ) -> Rehearsal:
        settings = load_settings({f"BREAKWALL_{name}": value for name, value in variables.items()})
        promises = Promises.of(settings, profile_from_settings(settings))
        questions = questions_for(promises, skip=skip, burst=burst)
        terms = terms or Terms(1, "USD", "pm_good")
        clock = MonotonicClock()
        with open_rehearsal(
            settings,
            terms,
            RehearsalLimits(60, 1000, timeout),
            promises,
            questions,
            clock=clock,
            sleep=clock.advance,
        ) as rehearsal:
            rehearsal.run()
        return rehearsal

    return run


def wrong(rehearsal: Rehearsal) -> dict[str, str]:
    """What was seen where a promise is not kept, by question."""
    return {one.question: one.seen for one in rehearsal.measurements if one.verdict.fails}


def unasked(rehearsal: Rehearsal) -> dict[str, str]:
    """What was not asked, and why. How long keys are remembered never is."""
    found = {one.question: one.seen for one in rehearsal.measurements if one.verdict is Verdict.NOT_ASKED}
    del found["for how long a key is remembered"]
    return found


def measured(rehearsal: Rehearsal, question: str) -> Measurement:
    (found,) = [one for one in rehearsal.measurements if one.question == question]
    return found
