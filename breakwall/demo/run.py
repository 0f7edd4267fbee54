"""One run of the demo, from the first process to the exit code. It leaves nothing behind unless the proof fails."""

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

from breakwall.broker.embedded.folder import LONGEST_SOCKET_PATH
from breakwall.demo import messages
from breakwall.demo.options import DemoOptions
from breakwall.demo.processes import DemoProcesses
from breakwall.demo.proof import LedgerEntry, prove
from breakwall.demo.report import DemoReport, report_lines
from breakwall.demo.scenario import DemoScenario, OutageFigures, ScenarioTimeoutError
from breakwall.demo.screen import open_screen
from breakwall.demo.snapshot import DemoMonitor
from breakwall.host.private_files import open_private
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.processes.child import ChildFailedError
from breakwall.simulator.client import SimulatorError
from breakwall.terminal.output import data, notes, write_json, write_json_note

FOLDER = "breakwall-demo-"
KEPT = "Database, ledger and logs are kept in {}"

# A process that was just killed may still write files into the folder. One try takes a twentieth of a second.
REMOVAL_TRIES = 20


class StoppedError(BaseException):
    """A signal came. Not an `Exception`, so that no handler for failures catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_demo(options: DemoOptions, *, as_json: bool) -> int:
    """Run it; returns the exit code: 0 if the proof holds, 1 if not, 128 + n if signal n ended it.

    The messages go to stdout, or to stderr if the report goes to stdout as JSON.
    """
    console = notes() if as_json else data()
    folder = _temporary_folder()
    try:
        with _signals_as_errors():
            report = _run(options, folder, console)
    except StoppedError as stopped:
        _remove(folder)
        console.print("\nStopped. Nothing is left running.")
        return 128 + stopped.number
    except SystemExit:  # Rich raises it for a broken pipe: the reader is gone
        _remove(folder)
        raise
    except (ChildFailedError, ScenarioTimeoutError, SimulatorError, DatabaseUnavailableError) as error:
        _explain(error, folder, as_json=as_json)
        return 1
    except Exception:
        notes().print(KEPT.format(folder), markup=False, highlight=False)
        raise
    return _conclude(report, folder, console, as_json=as_json)


def _run(options: DemoOptions, folder: Path, console: Console) -> DemoReport:
    began = time.monotonic()

    def clock() -> float:
        return time.monotonic() - began

    with ExitStack() as stack:
        processes = DemoProcesses(options, folder, os.environ)
        stack.callback(processes.close)
        screen = stack.enter_context(open_screen(console, clock))
        monitor = DemoMonitor(processes.settings, processes.acknowledgements, clock)
        stack.callback(monitor.close)
        screen.write(messages.introduction(options))
        figures = DemoScenario(processes, monitor, screen, clock).run()
        screen.part(4)
        screen.write(messages.proof())
        return _report(processes, monitor, figures, clock)


def _report(
    processes: DemoProcesses, monitor: DemoMonitor, figures: OutageFigures, clock: Callable[[], float]
) -> DemoReport:
    orders, customers = monitor.orders(), processes.acknowledgements
    ledger = [LedgerEntry.from_document(entry) for entry in processes.control.ledger()]
    waits = [(order.settled_at - order.created_at).total_seconds() for order in orders if order.settled_at]
    return DemoReport(
        proof=prove(customers.acknowledgements, orders, ledger),
        lost_answers=monitor.lost_answers(),
        figures=figures,
        refused=len(customers.errors),
        longest_answer=customers.longest_wait,
        longest_charge=max(waits, default=0.0),
        seconds=clock(),
        seed=processes.options.seed,
    )


def _conclude(report: DemoReport, folder: Path, console: Console, *, as_json: bool) -> int:
    holds, document = report.proof.holds, report.as_document()
    if not holds:
        with open_private(folder / "report.json", "w") as kept:
            kept.write(json.dumps(document, indent=2) + "\n")
        document["kept"] = str(folder)
    if as_json:
        write_json(document)
    else:
        console.print(*report_lines(report, console.width), sep="\n", highlight=False)
    if not holds:
        notes().print(KEPT.format(folder), markup=False, highlight=False)
        return 1
    _remove(folder)
    if not as_json:
        console.print(Text(messages.conclusion(report.seconds), "dim"), highlight=False)
    return 0


def _explain(error: Exception, folder: Path, *, as_json: bool) -> None:
    log = error.log if isinstance(error, ChildFailedError) else ""
    if as_json:
        document = {"type": "demo_failed", "message": str(error), "log": log.splitlines()}
        write_json_note({"error": document, "kept": str(folder), "exit_code": 1})
        return
    lines = [f"Error: {error}."]
    if log:
        lines += ["The end of its log:", "", log, ""]
    lines += [KEPT.format(folder), "`breakwall doctor` checks whether something is missing on this machine."]
    notes().print(Text("\n".join(lines)), highlight=False)


@contextmanager
def _signals_as_errors() -> Iterator[None]:
    """Raise `StoppedError` at the first signal, and ignore later ones, so that every process is ended."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise StoppedError(number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _temporary_folder() -> Path:
    """A new folder in the system's usual place, or in /tmp if the broker's socket would have too long a path."""
    usual = tempfile.gettempdir()
    socket_path = os.fsencode(f"{usual}/{FOLDER}12345678/data/broker.sock")
    fits = len(socket_path) <= LONGEST_SOCKET_PATH
    return Path(tempfile.mkdtemp(prefix=FOLDER, dir=usual if fits else "/tmp"))  # noqa: S108 - mkdtemp is safe


def _remove(folder: Path) -> None:
    for _ in range(REMOVAL_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)
