"""`breakwall breaker`: shows the circuit, and overrides it for every process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.errors import BreakwallError, ExitCode
from breakwall.json_documents import breaker_document
from breakwall.terminal.authors import ActorOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_note, write_result
from breakwall.terminal.times import parse_duration

if TYPE_CHECKING:
    from breakwall.breaker import BreakerStatus, CircuitBreaker
    from breakwall.settings import Settings

logger = logging.getLogger(__name__)

breaker_app = typer.Typer(
    no_args_is_help=True,
    help="The circuit before the payment service: look at it, override it for every process.",
)

WhyOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why. Everybody is shown it.")]
LiftOption = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="TEXT",
        help="Why. Checked, but not kept: a lifted override leaves nothing to show.",
        show_default=False,
    ),
]
ForOption = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="DURATION",
        help="For how long: 30s, 10m, 2h, 1d; until `breakwall breaker auto` when not given.",
        show_default=False,
    ),
]


class NotSharedError(BreakwallError):
    """The circuit is not shared: no other process would see the override. Nothing was changed."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


class NotConfirmedError(BreakwallError):
    """The store did not confirm the override; it may have been stored nevertheless."""

    kind = "store_lost"


@breaker_app.command("status")
def breaker_status(output: OutputOption = Format.TEXT) -> None:
    """Show the circuit: its computed state, an override beside it, and when it next lets a call through.

    Exits with 1 when the store that the circuit is shared through does not answer.
    """
    from breakwall.cli.breaker_text import breaker_lines
    from breakwall.settings import load_settings
    from breakwall.wiring import circuit_is_unused, inspect_breaker

    settings = load_settings()
    unused = circuit_is_unused(settings)
    with inspect_breaker(settings) as breaker:
        status = breaker.status()
    write_result(output, breaker_document(status), *breaker_lines(status, unused=unused))
    if not status.store_ok:
        write_note(
            f"Error: the breaker's store does not answer ({status.store_error}); "
            f"this is what a process on its own sees. Check {settings.breaker_store_setting}."
        )
        raise typer.Exit(ExitCode.FAILURE)


@breaker_app.command("force-open", short_help="Refuse every payment, of every process.")
def force_open(
    reason: WhyOption,
    lasting: ForOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Refuse every payment of every process: orders are queued, nothing is sent.

    For a maintenance that the payment service has announced. The circuit goes on computing its own state,
    and `breakwall breaker status` shows it beside the override.

    Every process that shares the circuit's store obeys at its next payment, at most a refresh interval
    (0.2 s) later. Exits with 1 when the store does not confirm the override, with 4 when the store is
    memory://, which no two processes share.
    """
    sentence = "Every payment is refused from now on, and its order queued."
    _override(lambda breaker: breaker.force_open, reason, lasting, actor, sentence, output)


@breaker_app.command("force-close", short_help="Refuse no payment.")
def force_close(
    reason: WhyOption,
    lasting: ForOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Refuse no payment, whatever state the circuit computes.

    For a false alarm. Otherwise as force-open.
    """
    sentence = "No payment is refused from now on."
    _override(lambda breaker: breaker.force_close, reason, lasting, actor, sentence, output)


@breaker_app.command("observe", short_help="Refuse no payment, but report each that would have been.")
def observe(
    reason: WhyOption,
    lasting: ForOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Refuse no payment, but report each that would have been: a trial run of the thresholds.

    Otherwise as force-open.
    """
    sentence = "No payment is refused from now on; what would have been is reported."
    _override(lambda breaker: breaker.observe, reason, lasting, actor, sentence, output)


@breaker_app.command("auto", short_help="Lift the override.")
def auto(reason: LiftOption = None, actor: ActorOption = None, output: OutputOption = Format.TEXT) -> None:
    """Lift the override, if there is one: the circuit's computed state decides again.

    Exits with 1 when the store does not confirm it, with 4 when the store is memory://.
    """
    who = author(actor, reason)
    _change(lambda breaker: breaker.auto(who.actor), "The circuit decides for itself from now on.", output)


def _override(
    change: Callable[[CircuitBreaker], Callable[[str, str, float | None], None]],
    reason: str,
    lasting: str | None,
    actor: str | None,
    sentence: str,
    output: Format,
) -> None:
    who = author(actor, reason)
    seconds = None if lasting is None else parse_duration(lasting, "--for")
    if seconds == 0:
        raise typer.BadParameter("should be longer than nothing", param_hint="--for")
    _change(lambda breaker: change(breaker)(reason, who.actor, seconds), sentence, output)


def _change(change: Callable[[CircuitBreaker], None], sentence: str, output: Format) -> None:
    """Change the override, have the store confirm it, and show the result.

    Raises:
        NotSharedError: the change would reach this command alone.
        NotConfirmedError: the store did not answer in time.
    """
    from breakwall.cli.breaker_text import breaker_lines

    status = _changed(change)
    write_result(output, breaker_document(status), sentence, *breaker_lines(status))


def _changed(change: Callable[[CircuitBreaker], None]) -> BreakerStatus:
    from breakwall.breaker import StoreLostError
    from breakwall.settings import load_settings
    from breakwall.wiring import open_breaker

    settings = load_settings()
    if settings.breaker_store.startswith("memory://"):
        raise NotSharedError(
            "the breaker's store is memory://, which every process has for itself: an override would only "
            "affect this command's own process. Set BREAKWALL_BREAKER_STORE_URL to a store that is shared"
        )
    _warn_of_new_file(settings)
    with open_breaker(settings) as breaker:
        try:
            change(breaker)
        except StoreLostError as error:
            raise NotConfirmedError(
                f"{error}. It may have arrived nevertheless: `breakwall breaker status` shows it. "
                "Check BREAKWALL_BREAKER_STORE_URL (by default the orders database)."
            ) from error
        return breaker.status()


def _warn_of_new_file(settings: Settings) -> None:
    """In a wrong folder, or with a typing error in the URL, no running process would see the override."""
    from sqlalchemy import make_url

    url = settings.breaker_store
    file = make_url(url).database if url.startswith("sqlite") else None
    if file and not Path(file).exists():
        logger.warning("the breaker's store %s is new: no running process has used it", file)
