"""`breakwall simulator`."""

from __future__ import annotations

import os
import select
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakwall.errors import ExitCode
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_json
from breakwall.terminal.streams import serve_without_stdout

if TYPE_CHECKING:
    from breakwall.simulator.server import Simulator


def simulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the service; 0: a free one.")] = 8090,
    control_port: Annotated[
        int,
        typer.Option(min=0, max=65_535, help="Port for switching faults and reading charges; 0: a free one."),
    ] = 8091,
    ledger: Annotated[
        Path | None,
        typer.Option(help="SQLite file of all charges. [default: simulator.db in the data folder]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and requests give the same faults.")] = 0,
    deduplicate: Annotated[
        bool, typer.Option(help="Charge once for each idempotency key; --no-deduplicate charges each time.")
    ] = True,
    parent: Annotated[
        int | None, typer.Option(hidden=True, help="Stop when this process, which started this one, ends.")
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Run a payment service that fails on command, and keeps its own ledger of charges.

    Switch faults over HTTP, on the control port: PATCH /faults {"down": true}.
    """
    from breakwall.settings import load_settings

    serve_without_stdout()
    signalled = _signal_socket()
    path = ledger or load_settings().home / "simulator.db"
    running = _start(
        host=host,
        port=port,
        control_port=control_port,
        charge_book=path,
        seed=seed,
        deduplicate=deduplicate,
    )
    if output is Format.JSON:
        urls = {"url": running.url, "control_url": running.control_url}
        write_json({**urls, "ledger": str(path), "pid": os.getpid()}, indent=None)
    else:
        typer.echo(f"Payment service on {running.url}, control on {running.control_url}, charge book {path}")
    while not select.select([signalled], [], [], 0.5 if parent else None)[0]:
        if os.getppid() != parent:
            break
    running.close()


def _signal_socket() -> socket.socket:
    """A socket that becomes readable at SIGTERM or SIGINT.

    Not `threading.Event.wait`: a signal that arrives just before it sleeps does not wake it. A byte in a socket stays.
    """
    readable, writable = socket.socketpair()
    writable.setblocking(False)
    signal.set_wakeup_fd(writable.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return readable


def _start(**options: Any) -> Simulator:
    import sqlite3

    from breakwall.simulator.charge_book import ChargeBookBusyError
    from breakwall.simulator.server import Simulator

    try:
        return Simulator(**options)
    except (OSError, sqlite3.Error, ChargeBookBusyError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        where = "{host}, ports {port} and {control_port}, charge book {charge_book}".format(**options)
        typer.echo(f"The simulator cannot start ({where}): {reason}.", err=True)
        raise typer.Exit(ExitCode.FAILURE) from None
