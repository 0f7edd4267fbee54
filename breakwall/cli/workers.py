"""`breakwall workers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from breakwall.json_documents import fleet_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, say, screen, write_json, write_table
from breakwall.terminal.words import count, duration

if TYPE_CHECKING:
    from breakwall.monitor.backlog import Backlog
    from breakwall.payments.fleet.workers import Worker

# Columns from which on a terminal has room for a worker's host beside its name, which usually ends with it.
ROOMY = 100


def workers(output: OutputOption = Format.TEXT) -> None:
    """Show the workers: where each runs, since when, with how many slots, and what it has run out of.

    A worker gives a sign of life every ten seconds. One that ended without being stopped is shown as silent for an
    hour; one that was stopped is not shown. Workers of versions without heartbeats are not seen.
    """
    from breakwall.monitor.backlog import Monitor
    from breakwall.settings import load_settings

    with Monitor.from_settings(load_settings()) as monitor:
        seen, fleet = monitor.look()
    if output is Format.JSON:
        write_json(fleet_document(seen, fleet))
    else:
        write_fleet(seen, fleet)


def write_fleet(seen: Backlog, fleet: Sequence[Worker] | None) -> None:
    """Write the workers for people; None: the database keeps no heartbeats yet."""
    from breakwall.cli.backlog.sentences import warnings
    from breakwall.monitor.alarms import AlarmKind

    if not any(alarm.kind is AlarmKind.NO_WORKER for alarm in seen.warnings):
        say(_verdict(fleet))
    say(*warnings(seen))
    if fleet:
        columns, _ = screen()
        cramped = columns is not None and columns < ROOMY
        hosted = not cramped or not all(worker.name.endswith(f"@{worker.host}") for worker in fleet)
        heads = ("worker", *(["host"] if hosted else []), "pid", "slots", "version", "up", "last seen")
        say("")
        write_table(heads, [_row(worker, hosted=hosted) for worker in fleet], right=("pid", "slots"))
    for worker in fleet or []:
        if worker.alive and worker.lacks:
            say(f"[bold red]{plain(worker.name)} has run out of something[/]: {plain(worker.lacks)}")


def _verdict(fleet: Sequence[Worker] | None) -> str:
    if fleet is None:
        return "Not known: the database is at a revision before the workers' heartbeats."
    alive = [worker for worker in fleet if worker.alive]
    if not alive:
        return "No worker is alive."
    verb = "is" if len(alive) == 1 else "are"
    slots = count(sum(worker.slots for worker in alive), "slot")
    return f"{count(len(alive), 'worker')} {verb} alive, with {slots}."


def _row(worker: Worker, *, hosted: bool) -> tuple[str, ...]:
    seen = f"{duration(worker.silent_seconds)} ago"
    return (
        plain(worker.name),
        *([plain(worker.host)] if hosted else []),
        str(worker.pid),
        str(worker.slots),
        plain(worker.version),
        duration(worker.up_seconds),
        seen if worker.alive else f"[bold red]silent[/], {seen}",
    )
