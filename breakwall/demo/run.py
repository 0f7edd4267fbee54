"""One run of the demo from the first process to the exit code, leaving nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.text import Text

from breakwall.broker.embedded.server import LONGEST_SOCKET_PATH
from breakwall.demo import messages
from breakwall.demo.plan import Plan
from breakwall.demo.processes import DemoSite
from breakwall.demo.reconciliation import LedgerEntry, reconcile
from breakwall.demo.report import Report, report_lines
from breakwall.demo.scenario import Play, StuckError
from breakwall.demo.screen import set_stage
from breakwall.demo.snapshot import Lookout
from breakwall.demo.timeline import Course
from breakwall.host.private_files import open_private
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.processes.children import ChildFailedError
from breakwall.simulator.client import SimulatorError
from breakwall.terminal.output import data, notes, write_json, write_json_note

FOLDER = "breakwall-demo-"
KEPT = "Database, ledger and logs are kept in {}"

REMOVAL_TRIES = 20
"""Times, a twentieth second apart: a process that was just killed may still have files in the folder."""


class StoppedError(BaseException):
    """Somebody sent a signal. Not an `Exception`: nothing on the way may take it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_demo(plan: Plan, *, as_json: bool) -> int:
    """Run it and return the exit code: 0 when the proof holds, 1 when not, 128 + n when signal n ended it.

    The story goes to stdout, or, where the report is asked for in JSON, to stderr.
    """
    console = notes() if as_json else data()
    folder = _temporary_folder()
    try:
        with _signals_as_errors():
            report = _perform(plan, folder, console)
    except StoppedError as stopped:
        _remove(folder)
        console.print("\nStopped. Nothing is left running.")
        return 128 + stopped.number
    except SystemExit:  # Rich makes one of a broken pipe: whoever read this is gone
        _remove(folder)
        raise
    except (ChildFailedError, StuckError, SimulatorError, DatabaseUnavailableError) as error:
        _explain(error, folder, as_json=as_json)
        return 1
    except Exception:
        notes().print(KEPT.format(folder), markup=False, highlight=False)
        raise
    return _conclude(report, folder, console, as_json=as_json)


def _perform(plan: Plan, folder: Path, console: Console) -> Report:
    began = time.monotonic()

    def clock() -> float:
        return time.monotonic() - began

    with ExitStack() as stack:
        site = DemoSite(plan, folder, os.environ)
        stack.callback(site.close)
        stage = stack.enter_context(set_stage(console, clock))
        lookout = stack.enter_context(Lookout(site.settings, site.promises, clock))
        stage.tell(messages.prologue(plan))
        course = Play(site, lookout, stage, plan, clock).run()
        stage.act(4, messages.ACTS[3])
        stage.tell(messages.proof())
        return _compare(site, lookout, course, clock)


def _compare(site: DemoSite, lookout: Lookout, course: Course, clock: Callable[[], float]) -> Report:
    orders, promises = lookout.orders(), site.promises
    ledger = [LedgerEntry.from_document(entry) for entry in site.control.ledger()]
    waits = [(order.settled_at - order.created_at).total_seconds() for order in orders if order.settled_at]
    return Report(
        result=reconcile(promises.promises, orders, ledger),
        look_ups=lookout.look_ups(),
        course=course,
        refused=len(promises.refusals),
        longest_answer=promises.longest_wait,
        longest_charge=max(waits, default=0.0),
        seconds=clock(),
        seed=site.plan.seed,
    )


def _conclude(report: Report, folder: Path, console: Console, *, as_json: bool) -> int:
    document = report.as_document()
    if not report.holds:
        with open_private(folder / "report.json", "w") as kept:
            kept.write(json.dumps(document, indent=2) + "\n")
        document["kept"] = str(folder)
    if as_json:
        write_json(document)
    else:
        console.print(*report_lines(report, console.width), sep="\n", highlight=False)
    if report.holds:
        _remove(folder)
        if not as_json:
            console.print(Text(messages.epilogue(report.seconds), "dim"), highlight=False)
        return 0
    notes().print(KEPT.format(folder), markup=False, highlight=False)
    return 1


def _explain(error: Exception, folder: Path, *, as_json: bool) -> None:
    log = error.log if isinstance(error, ChildFailedError) else ""
    if as_json:
        document = {"type": "demo_failed", "message": str(error), "log": log.splitlines()}
        write_json_note({"error": document, "kept": str(folder), "exit_code": 1})
        return
    told = [f"Error: {error}."]
    if log:
        told += ["The last that it said:", "", log, ""]
    told += [
        KEPT.format(folder),
        "`breakwall doctor` looks whether something is missing on this machine.",
    ]
    notes().print(Text("\n".join(told)), highlight=False)


@contextmanager
def _signals_as_errors() -> Iterator[None]:
    """Let whoever ends the demo end its processes: the first signal unwinds, later ones wait for that."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def unwind(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise StoppedError(number)

    before = {number: signal.signal(number, unwind) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _temporary_folder() -> Path:
    """A new folder where the system keeps such things, unless a socket's path would be too long there."""
    usual = tempfile.gettempdir()
    within = len(f"/{FOLDER}12345678/data/broker.sock")
    fits = len(os.fsencode(usual)) + within <= LONGEST_SOCKET_PATH
    return Path(tempfile.mkdtemp(prefix=FOLDER, dir=usual if fits else "/tmp"))  # noqa: S108 - mkdtemp is safe


def _remove(folder: Path, sleep: Callable[[float], None] = time.sleep) -> None:
    for _ in range(REMOVAL_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        sleep(0.05)
