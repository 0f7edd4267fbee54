"""Runs the programs of `breakwall up`. If one of them ends, all end."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.text import Text

from breakwall.host.extras import WEB, missing_modules
from breakwall.processes.child import ChildFailedError, python_module
from breakwall.settings import Settings
from breakwall.terminal.output import data, notes, write_note
from breakwall.up.instructions import Ports, command_name, how_to_use
from breakwall.up.program import Program, as_event

CHECK_INTERVAL = 0.1  # Seconds between two checks of the programs.

# Seconds that each program has to finish its work. The next worker finishes what a killed one had in progress, so a
# longer wait gains little.
STOP_TIMEOUT = 6.0

HINTS = {
    "payment service": (
        "If another `breakwall up` runs, use that one. Or choose other ports with --payment-port and "
        "--control-port, or name a payment service with BREAKWALL_PAYMENT_URL."
    ),
    "api": "If another `breakwall up` runs, use that one. Or choose another port with --api-port.",
}
"""What to do if a program never comes up: most often another one has its port."""

NAME_WIDTH = 17  # Columns of the names before the lines.


def run_up(settings: Settings, ports: Ports, api_port: int) -> int:
    """Run until a signal comes, then return 0; return 1 if a program ended.

    A payment service runs too, unless the settings name one. The API and the page run if they are installed.
    """
    names_one = not {"payment_url", "payment_gateway"}.isdisjoint(settings.model_fields_set)
    session = UpSession(settings, None if names_one else ports, data(), api_port)
    try:
        return session.run()
    except ChildFailedError as error:
        session.explain(error)
        return 1
    finally:
        session.close()


class UpSession:
    """The programs, and the terminal that they share. Without ``ports`` there is no payment service among them."""

    def __init__(self, settings: Settings, ports: Ports | None, console: Console, api_port: int) -> None:
        self._settings = settings
        self._ports = ports
        self._api_port = None if missing_modules(WEB) else api_port
        self._console = console
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._output_error: str | None = None
        self._as_json = settings.log.format == "json"
        # By default a worker would write JSON, because its output is no terminal.
        own = {"PYTHONUNBUFFERED": "1", "BREAKWALL_LOG__FORMAT": "json" if self._as_json else "text"}
        self._environment = {**os.environ, **own}
        self._programs: list[Program] = []

    def run(self) -> int:
        """Start everything, say how to use it, and wait for a signal. Returns 1 if the terminal is gone, else 0.

        Raises `ChildFailedError` if a program has ended, and `OSError` if one could not be started.
        """
        self._listen_to_signals()
        self._say(f"Starting; data is kept in {self._settings.home}. Ctrl-C ends everything.")
        self._start_programs()
        explained = False
        while not self._stop.wait(CHECK_INTERVAL):
            for program in self._programs:
                program.check()
            if not explained and all(program.ready for program in self._programs):
                explained = True
                for line in self._how_to_use():
                    self._say(line)
        self._say("Stopping. Waiting orders are charged after the next start.")
        if self._output_error is None:
            return 0
        write_note(f"Error: {self._output_error}; everything ends.")
        return 1

    def _how_to_use(self) -> list[str]:
        command, gateway = command_name(sys.argv[0], sys.executable), self._settings.payment_gateway
        page = None if self._api_port is None else f"http://127.0.0.1:{self._api_port}/"
        return how_to_use(command, self._ports, os.environ, gateway=gateway, page=page)

    def explain(self, error: ChildFailedError) -> None:
        """Say which program ended and how, and what to do if it never came up."""
        self._stop.set()
        if not error.log:
            notes().print(Text(f"Error: {error}; everything ends."), highlight=False)
            return
        hint = HINTS.get(error.name, "`breakwall doctor` checks the settings and what they name.")
        notes().print(Text(f"Error: {error}. Its output:\n\n{error.log}\n\n{hint}"), highlight=False)

    def close(self) -> None:
        """End all programs, each before the service that it calls; kill those that do not end in time."""
        for program in reversed(self._programs):
            program.ask_to_stop()
            deadline = time.monotonic() + STOP_TIMEOUT
            while program.running and time.monotonic() < deadline and not self._hurry.is_set():
                time.sleep(CHECK_INTERVAL)
            program.kill()

    def _start_programs(self) -> None:
        if self._ports is not None:
            self._environment["BREAKWALL_PAYMENT_URL"] = self._ports.service_url
            ports = ["--port", str(self._ports.service), "--control-port", str(self._ports.control)]
            self._start("payment service", ["simulator", *ports], "Payment service on ", "magenta")
        self._start("worker", ["worker", "--loglevel", "INFO"], " ready.", "cyan")
        if self._api_port is None:
            self._say("The API and the operator's page need more: pip install 'breakwall[web]'")
            return
        port = ["--port", str(self._api_port)]
        self._start("api", ["api", *port, "--loglevel", "INFO"], " ready.", "green")

    def _start(self, name: str, arguments: list[str], ready_mark: str, style: str) -> None:
        program = Program(
            name,
            python_module("breakwall", *arguments),
            environment=self._environment,
            folder=Path.cwd(),
            ready_mark=ready_mark,
            write=lambda line: self._print(name, line, style),
        )
        self._programs.append(program)

    def _listen_to_signals(self) -> None:
        def stop(number: int, frame: FrameType | None) -> None:
            if self._stop.is_set():
                self._hurry.set()
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)

    def _say(self, line: str) -> None:
        self._print("breakwall", line, "bold")

    def _print(self, name: str, line: str, style: str) -> None:
        try:
            if self._as_json:
                self._console.file.write(f"{as_event(name, line)}\n")
                self._console.file.flush()
                return
            self._console.print(Text.assemble((f"{name:<{NAME_WIDTH}}| ", style), line), highlight=False)
        except SystemExit:  # Rich raises it for a broken pipe
            self._end_without_output("the reader of the output is gone")
        except OSError as error:
            self._end_without_output(f"stdout cannot be written ({error.strerror})")

    def _end_without_output(self, why: str) -> None:
        if not self._stop.is_set():
            self._output_error = why
        self._stop.set()
