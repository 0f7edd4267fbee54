"""`breakwall up`: the whole site in one terminal, with the user's own settings, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.text import Text

from breakwall.processes.children import python_module
from breakwall.settings import Settings
from breakwall.terminal.output import data, notes, write_note
from breakwall.up.instructions import Ports, how_to_use, how_we_are_called
from breakwall.up.program import Program, as_event
from breakwall.up.supervisor import Keeper, NeverReadyError, end_all

LOOK = 0.1
"""Seconds between two looks at the programs."""

GRACE = 6.0
"""Seconds that the programs have to end what they are doing. What a killed worker had in its hands is settled
by the next one, so patience buys little."""

NAMES = 17
"""Columns of the names before the lines."""


def run_up(settings: Settings, ports: Ports) -> int:
    """Run until a signal comes; returns 0 then, and 1 when a program never came up.

    A payment service is run unless the settings name one.
    """
    site = Site(settings, ports if "payment_url" not in settings.model_fields_set else None, data())
    try:
        return site.run()
    except NeverReadyError as error:
        site.explain(error)
        return 1
    finally:
        site.close()


class Site:
    """The programs, and the terminal that they share.

    Args:
        settings: the user's.
        ports: where to run a payment service; None for none.
        console: where everything is said.
    """

    def __init__(self, settings: Settings, ports: Ports | None, console: Console) -> None:
        self._settings = settings
        self._ports = ports
        self._console = console
        self._stop = threading.Event()
        self._unheard: str | None = None
        self._hurry = threading.Event()
        self._as_json = settings.log.format == "json"
        # Behind a program's name a line is for people, whatever `up` itself writes to.
        own = {"PYTHONUNBUFFERED": "1", "BREAKWALL_LOG__FORMAT": "json" if self._as_json else "text"}
        self._environment = {**os.environ, **own}
        self._keepers: list[Keeper] = []
        if ports is not None:
            self._environment["BREAKWALL_PAYMENT_URL"] = ports.service_url
            options = ["--port", str(ports.service), "--control-port", str(ports.control)]
            self._keep("payment service", ["simulator", *options], "Payment service on ")
        self._keep("worker", ["worker", "--loglevel", "INFO"], " ready.")

    def run(self) -> int:
        """Start everything, say how to use it, and keep it running; returns 1 once nobody can hear it any more.

        Raises:
            NeverReadyError: a program ended before it was up.
        """
        self._listen_to_signals()
        self._say(f"Starting; data is kept in {self._settings.home}. Ctrl-C ends everything.")
        told = False
        while not self._stop.wait(LOOK):
            for keeper in self._keepers:
                keeper.run_once(time.monotonic())
            if not told and all(keeper.ready for keeper in self._keepers):
                told = True
                command = how_we_are_called(sys.argv[0], sys.executable)
                for line in how_to_use(command, self._ports, os.environ):
                    self._say(line)
        self._say("Stopping. Orders that wait are charged when it is started again.")
        if self._unheard is None:
            return 0
        write_note(f"Error: {self._unheard}; everything is being ended.")
        return 1

    def explain(self, error: NeverReadyError) -> None:
        """Say why it could not start, and what to do."""
        self._stop.set()
        notes().print(Text(f"Error: {error}. It said:\n\n{error.last_words}\n"), highlight=False)
        hint = "`breakwall doctor` looks at the settings and at what they name."
        if error.name == "payment service":
            hint = (
                "If another `breakwall up` runs, use that one; or choose other ports with --payment-port and "
                "--control-port, or name a payment service with BREAKWALL_PAYMENT_URL."
            )
        notes().print(Text(hint), highlight=False)

    def close(self) -> None:
        """Ask all programs to end, the worker before the service that it talks to; kill what does not."""
        end_all(list(reversed(self._keepers)), grace=GRACE, hurry=self._hurry.is_set)

    def _keep(self, name: str, arguments: list[str], ready_mark: str) -> None:
        speak = self._speaker(name)

        def start() -> Program:
            return Program(
                name,
                python_module("breakwall", *arguments),
                environment=self._environment,
                folder=Path.cwd(),
                ready_mark=ready_mark,
                speak=speak,
            )

        self._keepers.append(Keeper(name, start, self._say))

    def _listen_to_signals(self) -> None:
        def stop(number: int, frame: FrameType | None) -> None:
            if self._stop.is_set():
                self._hurry.set()
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)

    def _say(self, line: str) -> None:
        self._print("breakwall", line, "bold")

    def _speaker(self, name: str) -> Callable[[str], None]:
        style = {"worker": "cyan"}.get(name, "magenta")
        return lambda line: self._print(name, line, style)

    def _print(self, name: str, line: str, style: str) -> None:
        try:
            if self._as_json:
                self._console.file.write(f"{as_event(name, line)}\n")
                self._console.file.flush()
                return
            self._console.print(Text.assemble((f"{name:<{NAMES}}| ", style), line), highlight=False)
        except SystemExit:  # Rich makes an exit of a broken pipe
            self._end_unheard("whoever read this is gone")
        except OSError as error:
            self._end_unheard(f"stdout cannot be written ({error.strerror})")

    def _end_unheard(self, why: str) -> None:
        if not self._stop.is_set():
            self._unheard = why
        self._stop.set()
