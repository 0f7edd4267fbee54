"""What a person does with the circuit on the page: override it for some time, lift the override, probe now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from breakwall.breaker import BreakerStatus, OverrideMode, StoreLostError
from breakwall.breaker.operator_commands import NoProbe, no_probe
from breakwall.payments.interventions import Author
from breakwall.web import circuit_overrides
from breakwall.web.circuit_overrides import Mode, is_shared
from breakwall.web.page.acting.action_page import (
    ActionImpossibleError,
    ActionPage,
    ActionRefusedError,
    Done,
    Fact,
    version_of,
)
from breakwall.web.page.acting.action_routes import Act, Show, action_router, add_action
from breakwall.web.page.acting.asked import Asked
from breakwall.web.page.acting.facts import circuit_facts, waiting_facts
from breakwall.web.page.acting.form_field import duration_field, duration_in
from breakwall.web.page.acting.possible import (
    AUTO,
    FORCE_CLOSED,
    FORCE_OPEN,
    OBSERVE,
    PROBE,
    circuit_links,
)
from breakwall.web.page.words import Words, message

router = action_router()

BACK = "/#circuit"
OVERRIDES = (300.0, 900.0, 3600.0, 14_400.0)  # Seconds that can be chosen.
CHOSEN_OVERRIDE = 900.0


@dataclass(frozen=True, slots=True)
class OverrideAction:
    """One of the overrides: its texts, in English. ``again``: the title while the same one is in force."""

    mode: Mode
    in_force: OverrideMode
    title: str
    again: str
    button: str
    explanation: str
    done: str


FORCED_OPEN = OverrideAction(
    Mode.FORCED_OPEN,
    OverrideMode.FORCED_OPEN,
    message("Force the circuit open"),
    message("Keep the circuit forced open"),
    message("Force the circuit open"),
    message("No process sends a payment any more. New orders are queued, and none is lost."),
    "circuit_forced_open",
)
FORCED_CLOSED = OverrideAction(
    Mode.FORCED_CLOSED,
    OverrideMode.FORCED_CLOSED,
    message("Force the circuit closed"),
    message("Keep the circuit forced closed"),
    message("Force the circuit closed"),
    message(
        "Every payment is sent, even while the payment service is down: then customers wait, and attempts are used up. "
        "It is right only for a false alarm."
    ),
    "circuit_forced_closed",
)
OBSERVING = OverrideAction(
    Mode.OBSERVE,
    OverrideMode.OBSERVING,
    message("Let the circuit only observe"),
    message("Let the circuit go on observing"),
    message("Only observe"),
    message("Every payment is sent. What the circuit would have refused is only counted and logged."),
    "circuit_observing",
)


def _override_page(kind: OverrideAction) -> Show:
    def show(asked: Asked) -> ActionPage:
        text, words = asked.words.text, asked.words
        breaker = _usable(asked, text(kind.title))
        is_in_force = breaker.override is not None and breaker.override.mode is kind.in_force
        return ActionPage(
            title=text(kind.again if is_in_force else kind.title),
            button=text(kind.button),
            explanation=(
                text(kind.explanation),
                text("Every process obeys at its next payment. The circuit goes on computing its own state."),
            ),
            facts=_facts(asked, breaker),
            fields=(duration_field(OVERRIDES, CHOSEN_OVERRIDE, text("until a person ends it"), words),),
            version=_version(breaker),
            back=BACK,
        )

    return show


def _override(kind: OverrideAction) -> Act:
    def act(asked: Asked, author: Author) -> Done:
        with _confirmed(asked.words):
            lasts = duration_in(asked.typed("lasts"))
            circuit_overrides.override(asked.services, kind.mode, author, lasts)
        return Done(kind.done)

    return act


def _auto_page(asked: Asked) -> ActionPage:
    text = asked.words.text
    title = text("Let the circuit be automatic again")
    breaker = _usable(asked, title)
    if breaker.override is None:
        raise _impossible(asked, breaker, title, text("There is no override to lift."))
    return ActionPage(
        title=title,
        button=text("Lift the override"),
        explanation=(text("The override ends. The state that the circuit has computed decides again."),),
        facts=_facts(asked, breaker),
        version=_version(breaker),
        back=BACK,
    )


def _auto(asked: Asked, author: Author) -> Done:
    with _confirmed(asked.words):
        circuit_overrides.override(asked.services, Mode.AUTO, author)
    return Done("circuit_automatic")


_NO_PROBE = {
    NoProbe.FORCED_OPEN: message("The circuit is forced open: no call is sent until the override is lifted."),
    NoProbe.CLOSED: message("The circuit is closed: every payment tries the service."),
    NoProbe.HALF_OPEN: message("The circuit is half-open: the next payments are probes already."),
}


def _probe_page(asked: Asked) -> ActionPage:
    text = asked.words.text
    title = text("Probe the payment service now")
    breaker = _usable(asked, title)
    if (reason := no_probe(breaker)) is not None:
        raise _impossible(asked, breaker, title, text(_NO_PROBE[reason]))
    wait = asked.words.duration(breaker.retry_after)
    return ActionPage(
        title=title,
        button=text("Probe now"),
        explanation=(
            text("The circuit waits no longer: the next payment, of whichever process, tries the service."),
            text("If it fails, the circuit opens again, for as long as it would have without this."),
        ),
        facts=(*_facts(asked, breaker), Fact(text("Next probe in"), wait)),
        version=_version(breaker),
        back=BACK,
    )


def _probe(asked: Asked, author: Author) -> Done:
    with _confirmed(asked.words):
        circuit_overrides.probe(asked.services, author)
    return Done("circuit_probed")


def _usable(asked: Asked, title: str) -> BreakerStatus:
    """The circuit as it is now. Raises `ActionImpossibleError` if nothing can be decided for all processes."""
    breaker = asked.services.breaker.status()
    if not is_shared(asked.services):
        why = asked.words.text(
            "The circuit's store is `memory://`, which processes cannot share. Set `BREAKWALL_BREAKER_STORE_URL` to a "
            "shared store."
        )
        raise ActionImpossibleError(title, why, back=BACK)
    if not breaker.store_ok:
        why = asked.words.text("The circuit's store does not answer: each process decides on its own.")
        raise ActionImpossibleError(title, why, back=BACK, status=503)
    return breaker


def _impossible(asked: Asked, breaker: BreakerStatus, title: str, why: str) -> ActionImpossibleError:
    return ActionImpossibleError(title, why, circuit_links(breaker, asked.words), back=BACK)


def _facts(asked: Asked, breaker: BreakerStatus) -> tuple[Fact, ...]:
    return (*circuit_facts(breaker, asked.words), *waiting_facts(asked))


def _version(breaker: BreakerStatus) -> str:
    """Of the override: the computed state changes by itself all the time."""
    override = breaker.override
    return version_of(override and (override.mode, override.actor, override.reason, override.set_at))


@contextmanager
def _confirmed(words: Words) -> Iterator[None]:
    """Refuse with 503 if the store does not confirm the change in time: it may have stored it."""
    try:
        yield
    except StoreLostError as error:
        sentence = words.text(
            "The circuit's store did not confirm it in time; it may have stored it. Look at the circuit's state below "
            "before you send it again."
        )
        raise ActionRefusedError(sentence, 503) from error


ADDRESSES: tuple[tuple[str, Callable[[Asked], ActionPage], Act], ...] = (
    (FORCE_OPEN, _override_page(FORCED_OPEN), _override(FORCED_OPEN)),
    (FORCE_CLOSED, _override_page(FORCED_CLOSED), _override(FORCED_CLOSED)),
    (OBSERVE, _override_page(OBSERVING), _override(OBSERVING)),
    (AUTO, _auto_page, _auto),
    (PROBE, _probe_page, _probe),
)
for _address, _show, _act in ADDRESSES:
    add_action(router, _address, _show, _act)
