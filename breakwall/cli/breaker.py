"""`breakwall breaker`: shows the circuit, and overrides it for every process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.errors import BreakwallError, ExitCode
from breakwall.json_documents import breaker_document
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_note, write_result
from breakwall.terminal.times import parse_duration

if TYPE_CHECKING:
    from breakwall.breaker import CircuitBreaker
    from breakwall.payments.interventions import Author
    from breakwall.settings import Settings

logger = logging.getLogger(__name__)

breaker_app = typer.Typer(
    no_args_is_help=True,
    help="The circuit before the payment service: show it, override it for every process, probe now.",
)

WhyOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; every process shows it.")]
WhyProbeOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")]
ForOption = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="DURATION",
        help="For how long: 30s, 10m, 2h, 1d. Without it: until `breakwall breaker auto`.",
    ),
]


class NotSharedError(BreakwallError):
    """The circuit is not shared: no other process would see the override. Nothing was changed."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


class NothingToProbeError(BreakwallError):
    """A probe would not come sooner. Nothing was changed."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


class NotConfirmedError(BreakwallError):
    """The store did not confirm the override, but may have stored it."""

    kind = "store_lost"


@breaker_app.command("status")
def breaker_status(output: OutputOption = Format.TEXT) -> None:
    """Show the circuit: its computed state, its override, and when it allows the next call.

    A worker may send nothing although the circuit is closed, for example because the payment service hangs:
    `breakwall backlog` shows that. Exits with 1 if the circuit's store does not answer.
    """
    from breakwall.cli.breaker_text import breaker_lines
    from breakwall.settings import load_settings
    from breakwall.wiring import circuit_is_unused, inspect_breaker

    settings = load_settings()
    unused = circuit_is_unused(settings)
    with closing(inspect_breaker(settings)) as breaker:
        status = breaker.status()
    write_result(output, breaker_document(status), *breaker_lines(status, unused=unused))
    if not status.store_ok:
        write_note(
            f"Error: the breaker's store does not answer ({status.store_error}), so this is only a local circuit. "
            f"Check {settings.breaker_store_setting}."
        )
        raise typer.Exit(ExitCode.FAILURE)


# At the end of the help of each override.
_EFFECT = """
    Every process that shares the circuit's store obeys at its next payment, at most one refresh interval (0.2 s)
    later. Who, when and why is kept: `breakwall audit`. Exits with 1 if the store does not confirm the override, or if
    the orders database does not answer: then nothing was changed. Exits with 4 if the store is memory://, which
    processes cannot share.
"""


def _register_override(name: str, sentence: str, short_help: str, help_text: str) -> None:
    """Add the command ``name``; it calls the breaker's method of that name, and reports ``sentence``."""

    @breaker_app.command(name, short_help=short_help, help=f"{help_text}{_EFFECT}")
    def override(
        reason: WhyOption,
        lasting: ForOption = None,
        actor: ActorOption = None,
        output: OutputOption = Format.TEXT,
    ) -> None:
        who = author(actor, reason)
        seconds = None if lasting is None else parse_duration(lasting, "--for")
        if seconds == 0:
            raise typer.BadParameter("should be longer than 0 s", param_hint="--for")
        change = methodcaller(name.replace("-", "_"), reason, who.actor, seconds)
        _change(name, change, who, lasting, sentence, output)


_register_override(
    "force-open",
    "Every payment is refused from now on, and its order queued.",
    "Refuse every payment, of every process.",
    """Refuse every payment of every process: orders are queued, nothing is sent.

    Use it for a maintenance that the payment service has announced. The circuit still computes its own state;
    `breakwall breaker status` shows it beside the override.
    """,
)
_register_override(
    "force-close",
    "No payment is refused from now on.",
    "Refuse no payment.",
    """Refuse no payment, whatever state the circuit computes.

    Use it for a false alarm.
    """,
)
_register_override(
    "observe",
    "No payment is refused from now on; each that the circuit would refuse is reported.",
    "Refuse no payment, but report each that would be refused.",
    """Refuse no payment, but report each that would be refused: a trial of the thresholds.
    """,
)


@breaker_app.command("auto", short_help="Lift the override.")
def auto(reason: ReasonOption = None, actor: ActorOption = None, output: OutputOption = Format.TEXT) -> None:
    """Lift the override, if there is one: the circuit's computed state decides again.

    Exits with 1 if the store does not confirm it, or if the orders database does not answer, and with 4 if the store is
    memory://.
    """
    who = author(actor, reason)
    change = methodcaller("auto", who.actor)
    _change("auto", change, who, None, "The circuit's computed state decides from now on.", output)


@breaker_app.command("probe", short_help="Let the next payment try the service now.")
def probe(reason: WhyProbeOption, actor: ActorOption = None, output: OutputOption = Format.TEXT) -> None:
    """End the open interval: the next payment, of whichever process, is a probe. The service decides by it.

    Use it if the payment service is said to be well again. If the probe fails, the next interval is as long as it
    would have been. Exits with 4 if the circuit is not open, is forced open, or is memory://, and with 1 if the store
    does not confirm it.
    """
    _change("probe", _probe, author(actor, reason), None, "The next payment tries the service.", output)


def _probe(breaker: CircuitBreaker) -> None:
    from breakwall.breaker.operator_commands import why_no_probe

    if why := why_no_probe(breaker.status()):
        raise NothingToProbeError(why)
    breaker.probe()


def _change(
    name: str,
    change: Callable[[CircuitBreaker], None],
    who: Author,
    lasting: str | None,
    sentence: str,
    output: Format,
) -> None:
    """Record and change the override, and show the result when the store has confirmed it.

    Raises NotSharedError if no other process would see the change, and NotConfirmedError after a timeout. Raises
    DatabaseUnavailableError, and changes nothing, if it cannot be recorded.
    """
    from breakwall.cli.breaker_text import breaker_lines
    from breakwall.payments.operator.action_log import OperatorAction, recorded
    from breakwall.settings import load_settings
    from breakwall.wiring import PAYMENT_CIRCUIT, open_breaker, open_database

    settings = load_settings()
    if settings.breaker_store.startswith("memory://"):
        raise NotSharedError(
            "the breaker's store is memory://, which processes cannot share: an override would only "
            "affect this command's own process. Set BREAKWALL_BREAKER_STORE_URL to a shared store"
        )
    _warn_of_new_file(settings)
    action = OperatorAction(f"breaker_{name.replace('-', '_')}")
    detail = None if lasting is None else f"for {lasting}"
    with closing(open_database(settings)) as database, closing(open_breaker(settings)) as breaker:
        with recorded(database, who, action, PAYMENT_CIRCUIT, detail):
            _confirmed(change, breaker)
        status = breaker.status()
    write_result(output, breaker_document(status), sentence, *breaker_lines(status))


def _confirmed(change: Callable[[CircuitBreaker], None], breaker: CircuitBreaker) -> None:
    from breakwall.breaker import StoreLostError

    try:
        change(breaker)
    except StoreLostError as error:
        raise NotConfirmedError(
            f"{error}. It may have stored the change: `breakwall breaker status` shows that. "
            "Check BREAKWALL_BREAKER_STORE_URL (by default the orders database)."
        ) from error


def _warn_of_new_file(settings: Settings) -> None:
    """In a wrong folder, or with a wrong URL, no running process would see the override."""
    from sqlalchemy import make_url

    url = settings.breaker_store
    file = make_url(url).database if url.startswith("sqlite") else None
    if file and not Path(file).exists():
        logger.warning("the breaker's store %s is new: no running process has used it", file)
