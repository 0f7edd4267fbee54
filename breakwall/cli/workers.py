"""`breakwall workers`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from breakwall.json_documents import fleet_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, say, screen, write_json, write_table
from breakwall.terminal.words import count, duration

if TYPE_CHECKING:
    from breakwall.monitor.backlog import Backlog
    from breakwall.payments.fleet.workers import Worker

# Columns that a terminal needs to show a worker's host as well as its name, which usually ends with the host.
ROOMY = 100


def workers(output: OutputOption = Format.TEXT) -> None:
    """Show the workers: where each runs, since when, with how many slots, and its exhausted resource.

    A worker writes a heartbeat every ten seconds. A worker that died is shown as silent for an hour; a worker that
    was stopped is not shown.
    """
    from breakwall.monitor.backlog import Monitor
    from breakwall.settings import load_settings

    with closing(Monitor.from_settings(load_settings())) as monitor:
        seen, fleet = monitor.snapshot_with_workers()
    if output is Format.JSON:
        write_json(fleet_document(seen, fleet))
    else:
        write_fleet(seen, fleet)


def write_fleet(seen: Backlog, fleet: Sequence[Worker]) -> None:
    """Write the workers as text."""
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
    for worker in fleet:
        if worker.alive and worker.lacks:
            say(f"[bold red]{plain(worker.name)} has exhausted a resource[/]: {plain(worker.lacks)}")


def _verdict(fleet: Sequence[Worker]) -> str:
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
