"""`breakwall worker`: the same worker as `celery -A worker worker`, checked before it starts."""

from __future__ import annotations

import os
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
        typer.Option(
            "--concurrency",
            "-c",
            min=1,
            max=1000,
            metavar="N",
            help="Payments tried at the same time.",
            show_default="20",
        ),
    ] = None,
) -> None:
    """Run a worker that charges queued orders, until Ctrl-C.

    It also accepts options of Celery: --loglevel, --logfile, --hostname, --pidfile, --task-events,
    --heartbeat-interval, --without-heartbeat, and those that change nothing (docs/workers.md). It refuses all others.
    If no broker is configured, it also runs the embedded one.
    """
    from breakwall.broker.celery_environment import hide_from_celery
    from breakwall.payments.gateways import check_gateway
    from breakwall.settings import load_settings
    from breakwall.terminal.streams import serve_without_stdout
    from breakwall.wiring import open_database

    serve_without_stdout(thorough=True)  # on a full disk, Celery's banner would end the worker
    settings = load_settings()
    hide_from_celery(os.environ)
    check_gateway(settings)
    _check_broker(settings)
    # Before a message is consumed: a worker without its database could only defer every order.
    with closing(open_database(settings)) as database:
        database.read(lambda connection: None)
    raise typer.Exit(_run(settings, concurrency, context.args))


def _check_broker(settings: Settings) -> None:
    """Check before Celery connects, which would wrap the reason in a traceback.

    Raises BrokerNotStartedError (the embedded broker's socket path is too long), NoServerProgramError or
    WrongQueueError (something else has the queue's name).
    """
    from breakwall.broker.checks.run import check_queue
    from breakwall.broker.embedded.folder import ServerFolder
    from breakwall.broker.embedded.server import find_server_program

    if settings.embedded_broker:
        ServerFolder(settings.home)
        find_server_program()
    else:
        check_queue(settings)


def _run(settings: Settings, concurrency: int | None, others: list[str]) -> int:
    """Run Celery's own worker command in this process, and return its exit code."""
    import click
    from celery.bin.base import CLIContext

    from breakwall.terminal.logs import is_log_json, write_event
    from breakwall.worker.app import create_app
    from breakwall.worker.startup.options import own_worker

    chosen = [] if concurrency is None else ["--concurrency", str(concurrency)]
    context = CLIContext(app=create_app(settings), no_color=bool(os.environ.get("NO_COLOR")), workdir=None)
    try:
        # Without a prefix for its variables, so that the environment sets no option.
        code: int | None = own_worker().main(
            [*chosen, *others], "breakwall worker", standalone_mode=False, obj=context
        )
    except click.ClickException as error:
        # The caller reports the errors of Celery's options.
        if is_log_json():
            write_event("breakwall.worker", error.format_message())
        else:
            error.show()
        return error.exit_code
    return code or 0
