"""What a person decides for the circuit, over HTTP and on the page alike. Each change is recorded in the audit log."""

from __future__ import annotations

from enum import StrEnum

from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.interventions import Author
from breakwall.payments.operator.action_log import OperatorAction, recorded
from breakwall.web.services import Services


class Mode(StrEnum):
    """What an override makes of the circuit; ``AUTO`` lifts it."""

    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"
    OBSERVE = "observe"
    AUTO = "auto"


ACTIONS = {
    Mode.FORCED_OPEN: OperatorAction.BREAKER_FORCE_OPEN,
    Mode.FORCED_CLOSED: OperatorAction.BREAKER_FORCE_CLOSE,
    Mode.OBSERVE: OperatorAction.BREAKER_OBSERVE,
    Mode.AUTO: OperatorAction.BREAKER_AUTO,
}


class LocalCircuitError(BreakwallError):
    """Each process has a circuit of its own: an override would reach one of them alone. Nothing was changed."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


def is_shared(services: Services) -> bool:
    """Whether all processes share the circuit."""
    return not services.settings.breaker_store.startswith("memory://")


def check_shared(services: Services) -> None:
    """Raise `LocalCircuitError` if the processes do not share the circuit."""
    if not is_shared(services):
        raise LocalCircuitError(
            "the circuit's store is memory://, which processes cannot share: this would only affect the API's own "
            "process. Set BREAKWALL_BREAKER_STORE_URL to a shared store"
        )


def override(services: Services, mode: Mode, author: Author, lasts: float | None = None) -> None:
    """Override the circuit in all processes, for ``lasts`` seconds or until a person lifts it; or lift it.

    Raises `LocalCircuitError`; `DatabaseUnavailableError` if it cannot be recorded, and then it is not done;
    `StoreLostError` if the store did not confirm it: it may have arrived.
    """
    check_shared(services)
    detail = None if lasts is None else f"for {lasts:g} s"
    breaker = services.breaker
    with recorded(services.database, author, ACTIONS[mode], breaker.name, detail, clock=services.clock):
        if mode is Mode.AUTO:
            return breaker.auto(author.actor)
        change = {
            Mode.FORCED_OPEN: breaker.force_open,
            Mode.FORCED_CLOSED: breaker.force_close,
            Mode.OBSERVE: breaker.observe,
        }[mode]
        return change(author.reason or "", author.actor, lasts)


def probe(services: Services, author: Author) -> None:
    """End the open interval: the next call is a probe. Whether that changes anything, `no_probe` says before.

    Raises as `override`.
    """
    check_shared(services)
    action, breaker = OperatorAction.BREAKER_PROBE, services.breaker
    with recorded(services.database, author, action, breaker.name, clock=services.clock):
        breaker.probe()
