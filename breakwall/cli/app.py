"""The `breakwall` command line: mounts the commands and runs one of them.

A command imports SQLAlchemy, Celery, pydantic and Rich only when it runs, so that `breakwall --help` is fast.
"""

import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from breakwall import __version__
from breakwall.cli.api import api
from breakwall.cli.audit import audit
from breakwall.cli.backlog.command import backlog
from breakwall.cli.breaker import breaker_app
from breakwall.cli.breaker_transitions import transitions
from breakwall.cli.db import database_app
from breakwall.cli.demo import demo
from breakwall.cli.doctor import doctor
from breakwall.cli.errors import report
from breakwall.cli.orders import orders_app
from breakwall.cli.outcomes import outcomes_app
from breakwall.cli.queue import queue_app
from breakwall.cli.rehearse import rehearse
from breakwall.cli.simulator import simulator
from breakwall.cli.token import token_app
from breakwall.cli.up import up
from breakwall.cli.worker import WORKER_CONTEXT, worker
from breakwall.cli.workers import workers
from breakwall.terminal import streams
from breakwall.terminal.logs import show_warnings
from breakwall.terminal.options import wants_json

LOGS = {"worker": "breakwall.worker", "api": "breakwall.api"}
"""The commands that write a log to stderr, and the name of their events in it."""

app = typer.Typer(
    name="breakwall",
    no_args_is_help=True,
    # Rich's help takes a tenth of a second to import, and its boxes disturb a screen reader or a pager.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 failure, 2 wrong usage, input or settings, 3 not found, 4 refused.",
)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command line (by default the process's own) and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = wants_json(given)
    streams.prepare()
    show_warnings(as_json=as_json)
    try:
        code = app(given, prog_name="breakwall", standalone_mode=False)
        streams.finish()
    except Exception as error:
        code = report(error, as_json=as_json, log=LOGS.get(given[0]) if given else None)
    _flush_and_restore_interrupt()
    raise SystemExit(code or 0)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"breakwall {__version__}")
        raise typer.Exit


@app.callback()
def breakwall(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The wall between an order service and a payment service that can fail.

    Orders are charged through a circuit breaker. While the payment service is down, they wait in a durable queue; a
    worker charges them when it is back. No order is lost, and none is charged twice.
    """


def _flush_and_restore_interrupt() -> None:
    """Flush; a write error was already reported. From here on Ctrl-C ends the process at once."""
    with suppress(OSError):
        streams.finish()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


app.command(short_help="Watch how an outage is survived, in under a minute.")(demo)
app.command(short_help="Run a whole site in this terminal, until Ctrl-C.")(up)
app.command(short_help="Check everything that the settings name.")(doctor)
app.command(short_help="Ask a sandbox of the payment service what it really promises.")(rehearse)
app.command(short_help="Show how many orders wait, and for how long.")(backlog)
app.command(context_settings=WORKER_CONTEXT)(worker)
app.command(short_help="Show which workers run, where, and which are silent.")(workers)
app.command(short_help="Serve the HTTP API and the operator's page.")(api)
app.command(short_help="Run a payment service that fails on command.")(simulator)
app.add_typer(orders_app, name="orders")
breaker_app.command(short_help="Show how it changed its state, and why.")(transitions)
app.add_typer(breaker_app, name="breaker")
app.add_typer(queue_app, name="queue")
app.add_typer(outcomes_app, name="outcomes")
app.command(short_help="Show what people did, when and why.")(audit)
app.add_typer(token_app, name="token")
app.add_typer(database_app, name="db")
