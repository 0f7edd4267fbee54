"""`breakwall workers`: who runs, where and since when, and who went silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from breakwall.monitor.backlog import Backlog
    from breakwall.payments.fleet.workers import Worker


ROOMY = 100
"""Columns from which on a terminal has room for a worker's host beside its name, which usually ends with it."""


def workers(output: OutputOption = Format.TEXT) -> None:
    """Show the workers: who runs, where, since when, with how many slots, and what each lacks.

    A worker gives a sign of life every ten seconds. One that ended without a word is shown as silent for an
    hour; one that was stopped is not shown. Workers of versions without heartbeats are not seen.
    """
    from breakwall.monitor.backlog import Monitor
    from breakwall.settings import load_settings
    from breakwall.terminal.output import write_json

    with Monitor.from_settings(load_settings()) as monitor:
        seen, fleet = monitor.look()
    if output is Format.JSON:
        write_json(fleet_document(seen, fleet))
    else:
        _show(seen, fleet)


def fleet_document(seen: Backlog, fleet: Sequence[Worker] | None) -> dict[str, Any]:
    """The workers as plain values; null where nobody can tell. Times are ISO 8601 texts in UTC."""
    from dataclasses import asdict

    document = seen.as_document()
    return {
        "at": document["at"],
        "alive": seen.workers,
        "workers": None if fleet is None else [_plain(asdict(worker)) for worker in fleet],
        "warnings": document["warnings"],
    }


def fleet_verdict(fleet: Sequence[Worker] | None) -> str:
    """How many are alive, in a sentence; plain."""
    from breakwall.terminal.words import count

    if fleet is None:
        return "Nobody can tell: the database is at a revision before the workers' heartbeats."
    alive = [worker for worker in fleet if worker.alive]
    if not alive:
        return "No worker is alive."
    verb = "is" if len(alive) == 1 else "are"
    slots = count(sum(worker.slots for worker in alive), "slot")
    return f"{count(len(alive), 'worker')} {verb} alive, with {slots}."


def _show(seen: Backlog, fleet: Sequence[Worker] | None) -> None:
    from breakwall.cli.backlog.text import warnings
    from breakwall.monitor.alarms import Trouble
    from breakwall.terminal.output import data, screen, write_table

    alarmed = any(alarm.kind is Trouble.NO_WORKER for alarm in seen.warnings)
    for line in (*([] if alarmed else [fleet_verdict(fleet)]), *warnings(seen)):
        data().print(line, highlight=False)
    if fleet:
        data().print()
        columns, _ = screen()
        cramped = columns is not None and columns < ROOMY
        hosted = not cramped or not all(worker.name.endswith(f"@{worker.host}") for worker in fleet)
        heads = ("worker", *(["host"] if hosted else []), "pid", "slots", "version", "up", "last seen")
        write_table(heads, [_row(worker, hosted=hosted) for worker in fleet], right=("pid", "slots"))
    for line in _lacks(fleet or []):
        data().print(line, highlight=False)


def _row(worker: Worker, *, hosted: bool) -> tuple[str, ...]:
    from breakwall.terminal.output import plain
    from breakwall.terminal.words import duration

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


def _lacks(fleet: Sequence[Worker]) -> list[str]:
    from breakwall.terminal.output import plain

    return [
        f"[bold red]{plain(worker.name)} lacks something[/]: {plain(worker.lacks)}"
        for worker in fleet
        if worker.alive and worker.lacks
    ]


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    from datetime import datetime

    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()
    }
