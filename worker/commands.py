"""`breakwall worker`: the same worker as `celery -A worker worker`, checked before it starts."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from breakwall.settings import Settings

WORKER_CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def worker(
    context: typer.Context,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", min=1, max=1000, metavar="N", help="Payments tried at once."),
    ] = None,
) -> None:
    """Run a worker that charges queued orders, until Ctrl-C.

    Every other option is Celery's own and is passed on: --loglevel INFO, --hostname NAME, --pool POOL, …
    (`celery worker --help` lists them). With no broker configured it also runs the embedded one.
    """
    from breakwall.settings import load_settings
    from breakwall.terminal.streams import serve_without_stdout

    serve_without_stdout(b"\n")  # Celery's banner on a full disk would be the worker's end
    settings = load_settings()
    _check_broker(settings)
    _check_database(settings)
    raise typer.Exit(_run(concurrency, context.args))


def _check_database(settings: Settings) -> None:
    """Before anything is consumed: a worker without its database could only put every order off.

    Raises:
        DatabaseUnavailableError: it does not answer.
        SchemaError: it is not at this version.
    """
    from breakwall.wiring import open_database

    with closing(open_database(settings)) as database:
        database.read(lambda connection: None)


def _check_broker(settings: Settings) -> None:
    """Before Celery, which would wrap the reason in a traceback of its own.

    Raises:
        BrokerNotStartedError: the embedded broker is wanted, and its socket's path is too long.
        NoServerProgramError: it is wanted, and there is no program for it.
    """
    from breakwall.broker.binary import find_server_program
    from breakwall.broker.server import ServerFolder

    if settings.embedded_broker:
        ServerFolder(settings.home)
        find_server_program()


def _run(concurrency: int | None, others: list[str]) -> int:
    """Celery's own command, in this process; returns its exit code."""
    import click
    from celery.bin.celery import celery

    chosen = [] if concurrency is None else ["--concurrency", str(concurrency)]
    line = ["-A", "breakwall.worker", "worker", *chosen, *others]
    try:
        return celery.main(line, "celery", standalone_mode=False, auto_envvar_prefix="CELERY") or 0
    except click.ClickException as error:
        # Celery leaves its options' errors to whoever calls it.
        error.show()
        return error.exit_code
