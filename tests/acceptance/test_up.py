"""`breakwall up`: a whole site in one terminal, until Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from breakwall.simulator.client import SimulatorControl
from tests.acceptance.nodes import breakwall, wait_for
from tests.servers.workspace import free_port
from tests.stopwatch import Stopwatch

PROMPT = 10.0
"""Seconds within which Ctrl-C has to have ended everything."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A user's working folder. Its path is short, as a socket's has to be."""
    with tempfile.TemporaryDirectory(prefix="bw-", dir="/tmp") as folder:
        yield Path(folder)


class Terminal:
    """One `breakwall up` in a folder, and what it says.

    Args:
        folder: where it runs.
        stdout: where it writes to; by default, to a file that is read as `text`.
        environ: other variables.
        settings: variables without their prefix.
    """

    def __init__(
        self, folder: Path, stdout: int | None = None, environ: dict[str, str] | None = None, **settings: str
    ) -> None:
        self.folder = folder
        self.port, self.control_port, self.api_port = free_port(), free_port(), free_port()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")}
        self.environ = {
            **inherited,
            **(environ or {}),
            **{f"BREAKWALL_{name}": value for name, value in settings.items()},
        }
        self._log = folder / "up.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                breakwall("up", *self.ports),
                cwd=folder,
                env=self.environ,
                stdout=log if stdout is None else stdout,
                stderr=log,
            )

    @property
    def ports(self) -> tuple[str, ...]:
        """The options with this terminal's ports."""
        payment = ("--payment-port", str(self.port), "--control-port", str(self.control_port))
        return (*payment, "--api-port", str(self.api_port))

    @property
    def text(self) -> str:
        return self._log.read_text(errors="replace")

    def until_said(self, words: str) -> None:
        wait_for(f"it says {words!r}:\n{self.text}", lambda: words in self.text or not self.running)
        assert words in self.text, self.text

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def breakwall(self, *arguments: str) -> Any:
        """A command from another terminal, as `up` says that it is to be typed."""
        url = {"BREAKWALL_PAYMENT_URL": f"http://127.0.0.1:{self.port}"}
        done = subprocess.run(
            breakwall(*arguments, "-o", "json"),
            cwd=self.folder,
            env={**url, **self.environ},
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def place(self, key: str) -> str:
        """Place an order; returns what became of it."""
        order = ("--user", "u1", "--amount", "10000", "--currency", "KRW", "--key", key)
        return str(self.breakwall("orders", "place", *order)["status"])

    def status(self, key: str) -> str:
        return str(self.breakwall("orders", "show", key)["status"])

    def child(self, words: str) -> psutil.Process:
        """The one process of the site whose command line contains the words."""
        (found,) = [process for process in self.children() if words in " ".join(process.cmdline())]
        return found

    def children(self) -> list[psutil.Process]:
        """Every process that runs in the folder, but for `up` itself: also after that has ended."""
        return [process for process in _running_in(self.folder) if process.pid != self.process.pid]

    def end(self) -> None:
        """With all its programs, whose folder can then be removed."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)

    def close(self) -> None:
        if self.running:
            self.process.kill()
        self.process.wait()


Start = Callable[..., Terminal]


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    with ExitStack() as started:

        def start_one(
            stdout: int | None = None, environ: dict[str, str] | None = None, **settings: str
        ) -> Terminal:
            terminal = Terminal(home, stdout, environ, **settings)
            started.callback(terminal.close)
            return terminal

        yield start_one


@pytest.fixture
def terminal(start: Start) -> Terminal:
    """One in which everything is up."""
    terminal = start()
    terminal.until_said("Everything is up.")
    return terminal


@pytest.fixture(scope="module")
def shared_terminal() -> Iterator[Terminal]:
    """One for the tests that leave it as it was."""
    with tempfile.TemporaryDirectory(prefix="bw-", dir="/tmp") as folder:
        quick = {"RETRY__BASE": "0.2", "BREAKER__RECOVERY_TIMEOUT": "1", "PAYMENT_SETTLE_SECONDS": "1"}
        terminal = Terminal(Path(folder), **quick)
        try:
            terminal.until_said("Everything is up.")
            yield terminal
        finally:
            terminal.end()


def _running_in(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_site_takes_orders_until_it_is_told_to_stop(terminal: Terminal, number: signal.Signals) -> None:
    assert terminal.place("cart-1") == "paid"
    watch = Stopwatch(processes=True)
    terminal.process.send_signal(number)
    assert terminal.process.wait(120) == 0, terminal.text
    assert watch.seconds < PROMPT
    assert terminal.children() == []
    assert "Traceback" not in terminal.text


def test_it_says_how_to_place_an_order_and_how_to_see_the_backlog(shared_terminal: Terminal) -> None:
    terminal = shared_terminal
    terminal.until_said("backlog --watch")
    assert re.search(r"^breakwall +\|   .*breakwall orders place --user u1 ", terminal.text, re.MULTILINE)
    assert re.search(r"^payment service +\| Payment service on http", terminal.text, re.MULTILINE)
    assert re.search(r"^worker +\| .* ready\.", terminal.text, re.MULTILINE)


def test_an_order_that_has_to_wait_is_charged_by_the_sites_own_worker(shared_terminal: Terminal) -> None:
    terminal = shared_terminal
    control = SimulatorControl(f"http://127.0.0.1:{terminal.control_port}")
    control.set_faults(down=True)
    assert terminal.place("cart-1") == "queued"
    control.set_faults(down=False)
    wait_for("the worker has charged it", lambda: terminal.status("cart-1") == "paid")
    assert re.search(r"^worker +\| .*order cart-1 \(id \w+\): paid$", terminal.text, re.MULTILINE)


def test_killed_with_9_it_takes_everything_along(terminal: Terminal) -> None:
    assert len(terminal.children()) == 4  # the payment service, the worker, the worker's broker, and the API
    terminal.process.kill()
    wait_for("nothing is left running", lambda: terminal.children() == [])


@pytest.mark.parametrize(
    ("program", "name"), [("worker", "worker"), ("simulator", "payment service"), ("api", "api")]
)
def test_if_one_program_ends_all_end_and_it_is_named(terminal: Terminal, program: str, name: str) -> None:
    os.kill(terminal.child(f"breakwall {program}").pid, signal.SIGKILL)
    assert terminal.process.wait(120) == 1, terminal.text
    assert f"Error: the {name} was killed by SIGKILL; everything ends." in terminal.text
    assert "Traceback" not in terminal.text
    wait_for("nothing is left running", lambda: terminal.children() == [])


def test_a_port_that_is_taken_ends_it_with_what_to_do(shared_terminal: Terminal) -> None:
    # With a port of its own for the API: whichever part ends first is named.
    second = _second(shared_terminal, *shared_terminal.ports, "--api-port", str(free_port()))
    assert second.returncode == 1
    assert "Error: the payment service ended with code 1 before it was up." in second.stderr
    assert "--payment-port" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_of_the_page_that_is_taken_ends_it_with_what_to_do(shared_terminal: Terminal) -> None:
    terminal = shared_terminal
    second = _second(
        terminal, "--api-port", str(terminal.api_port), BREAKWALL_PAYMENT_URL="http://127.0.0.1:9"
    )
    assert second.returncode == 1
    assert "Error: the api ended with code 1 before it was up." in second.stderr
    assert f"port {terminal.api_port} of 127.0.0.1 is taken" in second.stderr
    assert "--api-port" in second.stderr
    assert "Traceback" not in second.stderr


def _second(terminal: Terminal, *ports: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Another `breakwall up` in the same folder, run to its end."""
    return subprocess.run(
        breakwall("up", *ports),
        cwd=terminal.folder,
        env={**terminal.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_it_serves_the_api_and_says_where_the_page_is(shared_terminal: Terminal) -> None:
    terminal = shared_terminal
    terminal.until_said(f"The operator's page: http://127.0.0.1:{terminal.api_port}/")
    with urllib.request.urlopen(f"http://127.0.0.1:{terminal.api_port}/readyz", timeout=60) as answer:
        assert json.load(answer)["status"] == "ready"


def test_without_the_extra_it_says_so_and_goes_on(start: Start, home: Path) -> None:
    (home / "hidden").mkdir()
    (home / "hidden" / "sitecustomize.py").write_text("import sys; sys.modules['fastapi'] = None\n")
    terminal = start(environ={"PYTHONPATH": str(home / "hidden")})
    terminal.until_said("Everything is up.")
    assert "The API and the operator's page need more: pip install 'breakwall[web]'" in terminal.text
    assert terminal.place("cart-1") == "paid"


def test_a_payment_service_of_the_users_own_is_used_and_none_is_run(start: Start) -> None:
    terminal = start(PAYMENT_URL="http://127.0.0.1:9")
    terminal.until_said("Everything is up.")
    assert "payment service" not in terminal.text.replace("the payment service", "")
    assert not [child for child in terminal.children() if "simulator" in " ".join(child.cmdline())]


def test_a_reader_who_leaves_takes_everything_along(start: Start) -> None:
    terminal = start(subprocess.PIPE)
    assert terminal.process.stdout is not None
    terminal.process.stdout.readline()
    terminal.process.stdout.close()
    terminal.process.wait(120)
    assert terminal.children() == []


def test_bad_settings_end_it_before_anything_starts(start: Start, home: Path) -> None:
    terminal = start(RETRY__CAP="soon")
    assert terminal.process.wait(120) == 2
    assert "BREAKWALL_RETRY__CAP" in terminal.text
    assert not (home / ".breakwall").exists()
