"""``breakwall simulator``; the command line mounts it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakwall.terminal.streams import serve_without_stdout

if TYPE_CHECKING:
    from breakwall.simulator.server import Simulator


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


def simulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the service; 0 takes a free one.")
    ] = 8090,
    control_port: Annotated[
        int,
        typer.Option(min=0, max=65_535, help="Port to switch faults on and read the ledger; 0: a free one."),
    ] = 8091,
    ledger: Annotated[
        Path | None,
        typer.Option(help="SQLite file of all charges. [default: simulator.db in the data folder]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and requests meet the same faults.")] = 0,
    deduplicate: Annotated[
        bool, typer.Option(help="Charge once for each idempotency key; --no-deduplicate charges each time.")
    ] = True,
    parent: Annotated[
        int | None, typer.Option(hidden=True, help="Stop when this process, which started this one, ends.")
    ] = None,
    output: Annotated[
        Output, typer.Option("-o", "--output", help="How to say where it listens.")
    ] = Output.TEXT,
) -> None:
    """Run a payment service that fails on command, with a durable ledger of its own.

    Faults are switched over HTTP on the control port: PATCH /faults {"down": true}.
    """
    serve_without_stdout()
    signalled = _signal_socket()
    path = ledger or _default_ledger()
    running = _start(
        host=host, port=port, control_port=control_port, ledger=path, seed=seed, deduplicate=deduplicate
    )
    typer.echo(_ready(running, path, output))
    while not select.select([signalled], [], [], 0.5 if parent else None)[0]:
        if os.getppid() != parent:
            break
    running.close()


def _signal_socket() -> socket.socket:
    """Becomes readable when SIGTERM or SIGINT has come.

    A signal that arrives just before a thread goes to sleep does not wake `threading.Event.wait`; what is
    written to a socket stays there.
    """
    readable, writable = socket.socketpair()
    writable.setblocking(False)
    signal.set_wakeup_fd(writable.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return readable


def _start(**options: Any) -> Simulator:
    import sqlite3

    from breakwall.simulator.ledger import LedgerBusyError
    from breakwall.simulator.server import Simulator

    try:
        return Simulator(**options)
    except (OSError, sqlite3.Error, LedgerBusyError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        where = "{host}, ports {port} and {control_port}, ledger {ledger}".format(**options)
        typer.echo(f"The simulator cannot start ({where}): {reason}.", err=True)
        raise typer.Exit(1) from None


def _default_ledger() -> Path:
    from breakwall.settings import SettingsError, load_settings

    try:
        return load_settings().home / "simulator.db"
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def _ready(running: Simulator, ledger: Path, output: Output) -> str:
    if output is Output.TEXT:
        return f"Payment service on {running.url}, control on {running.control_url}, ledger {ledger}"
    said = {"url": running.url, "control_url": running.control_url, "ledger": str(ledger), "pid": os.getpid()}
    return json.dumps(said)
