"""`breakwall backlog` and `breakwall breaker`: looking changes nothing; what does is in `overriding`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.breaker import auto, force_close, force_open, observe
from breakwall.cli.errors import ExitCode
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.cli.backlog.fail_over import Limits
    from breakwall.monitor.backlog import Backlog, Monitor

breaker_app = typer.Typer(
    no_args_is_help=True,
    help="The circuit before the payment service: look at it, overrule it for every process.",
)


def backlog(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between two looks of --watch.")
    ] = 2.0,
    fail_over: Annotated[
        str | None,
        typer.Option(
            metavar="depth=N,age=S",
            help="Exit with 1 when more than N orders wait, or the oldest waits for more than S seconds.",
        ),
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show how many orders wait, for how long, and when they will be through.

    With --watch and JSON, each look is one line. With --fail-over the exit code is for a monitoring check:
    0 within the limits, 1 over them or when the database does not answer.
    """
    from breakwall.monitor.backlog import Monitor
    from breakwall.settings import load_settings

    limits = _limits(fail_over)
    with Monitor.from_settings(load_settings()) as monitor:
        if watch:
            _watch(monitor, interval, limits, output)
        else:
            seen = monitor.snapshot()
            _show(seen, output)
            _check(seen, limits)


@breaker_app.command("status")
def breaker_status(output: OutputOption = Format.TEXT) -> None:
    """Show the circuit: its computed state, an override beside it, and when it next lets a call through.

    Exits with 1 when the store that the circuit is shared through does not answer.
    """
    from breakwall.cli.backlog.text import breaker_fields
    from breakwall.monitor.backlog import breaker_document
    from breakwall.settings import load_settings
    from breakwall.terminal.output import write_fields, write_json
    from breakwall.wiring import circuit_is_unused, look_at_breaker

    settings = load_settings()
    unused = circuit_is_unused(settings)
    with look_at_breaker(settings) as breaker:
        status = breaker.status()
    if output is Format.JSON:
        write_json(breaker_document(status))
    else:
        write_fields(
            breaker_fields(status) | ({"store": "not made yet: nobody has used it"} if unused else {})
        )
    if not status.store_ok:
        typer.echo(
            f"Error: the breaker's store does not answer ({status.store_error}); "
            f"this is what a process on its own sees. Check {settings.breaker_store_setting}.",
            err=True,
        )
        raise typer.Exit(ExitCode.FAILURE)


breaker_app.command("force-open", short_help="Refuse every payment, of every process.")(force_open)
breaker_app.command("force-close", short_help="Refuse no payment.")(force_close)
breaker_app.command("observe", short_help="Refuse no payment, but report each that would have been.")(observe)
breaker_app.command("auto", short_help="Lift the override.")(auto)


def _limits(text: str | None) -> Limits | None:
    from breakwall.cli.backlog.fail_over import InvalidLimitsError, Limits

    if text is None:
        return None
    try:
        return Limits.parse(text)
    except InvalidLimitsError as error:
        raise typer.BadParameter(str(error), param_hint="--fail-over") from None


def _check(seen: Backlog, limits: Limits | None) -> None:
    over = limits.exceeded_by(seen) if limits else []
    for sentence in over:
        typer.echo(f"Error: {sentence}.", err=True)
    if over:
        raise typer.Exit(ExitCode.FAILURE)


def _show(seen: Backlog, output: Format) -> None:
    from breakwall.cli.backlog.text import backlog_fields, verdict, warnings
    from breakwall.terminal.output import data, write_fields, write_json

    if output is Format.JSON:
        write_json(seen.as_document())
        return
    for line in (verdict(seen), *warnings(seen)):
        data().print(line, highlight=False)
    write_fields(backlog_fields(seen))


def _watch(monitor: Monitor, interval: float, limits: Limits | None, output: Format) -> None:
    from breakwall.cli.backlog.watch import screen
    from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError

    with screen(output) as watched:
        while True:
            try:
                seen = monitor.snapshot()
            except DatabaseUnavailableError as error:
                # Tables that are not there do not come by waiting.
                if limits or isinstance(error, SchemaError):
                    raise
                watched.fail(str(error))
            else:
                watched.show(seen)
                _check(seen, limits)
            time.sleep(interval)
