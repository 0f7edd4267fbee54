"""`breakwall demo` as a new user runs it: an outage, a proof that nothing was lost, and nothing left behind."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.nodes import breakwall, wait_for

SHORT = ("--orders", "100", "--rate", "25", "--outage", "3")
TIMEOUT = 120.0
"""Seconds for a run that takes fifteen when the machine has nothing else to do."""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """The system's folder for temporary files, for one test. Its path is short, as a socket's has to be."""
    with tempfile.TemporaryDirectory(prefix="bw-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def environ(temporary: Path) -> dict[str, str]:
    """A user's environment, with settings that are none of the demo's business."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")}
    of_the_user = {
        "BREAKWALL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/orders",
        "BREAKWALL_DATA_DIR": "/nowhere",
    }
    return {**others, **of_the_user, "TMPDIR": str(temporary)}


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        breakwall("demo", *arguments),
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def left_running(folder: Path) -> list[str]:
    """Processes that have to do with the folder: by command line, environment or working folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            said = [*process.cmdline(), process.cwd(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(folder) in part for part in said):
                found.append(" ".join(process.cmdline()))
    return found


def demo_folder(temporary: Path) -> Path | None:
    return next(temporary.glob("breakwall-demo-*"), None)


def database(temporary: Path) -> Path:
    return (demo_folder(temporary) or temporary) / "data" / "breakwall.db"


def paid_orders(temporary: Path) -> int:
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{database(temporary)}?mode=ro", uri=True)) as orders,
    ):
        (number,) = orders.execute("SELECT count(*) FROM orders WHERE status = 'paid'").fetchone()
        return int(number)
    return 0


def test_an_outage_is_shown_proven_and_cleaned_up(environ: dict[str, str], temporary: Path) -> None:
    done = run(environ, *SHORT, "-o", "json")
    report = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert report["ok"] is True
    assert report["accepted"] == report["paid"] + report["declined"]
    # A busy machine may need longer for an order than its customer waits, who then gets an error.
    assert (report["accepted"] + report["refused"], report["refused"] <= 10) == (100, True)
    assert report["lost"] == report["charged_twice"] == report["unfinished"] == 0
    assert report["amount_charged"] == report["amount_recorded"]
    # The run was an outage: answers were lost, customers came meanwhile, and the dead service was hardly called.
    assert report["found_by_look_up"] > 0
    assert report["worker_killed"] is True
    assert report["came_while_open"] > 20
    assert report["calls_while_open"] < report["came_while_open"] / 2

    lines = done.stderr.splitlines()
    assert all(re.match(r"$|Part \d: | *\d+\.\ds  | {8}\S", line) for line in lines)
    shown_at = [next(n for n, line in enumerate(lines) if text in line) for text in TURNS]
    assert shown_at == sorted(shown_at)

    assert list(temporary.iterdir()) == []
    assert left_running(temporary) == []


TURNS = [
    "Part 1: A good day",
    "Part 2: The payment service dies",
    "breaks the connection before it has answered",
    "kill -9: the payment service",
    "the circuit breaker opens",
    "Part 3: It comes back",
    "the circuit closes",
    "kill -9 for the worker",
    "Every order is finished",
    "Part 4: The proof",
]


def test_a_loss_and_a_double_charge_fail_the_proof_and_are_named(
    environ: dict[str, str], temporary: Path
) -> None:
    """Both records are changed while the demo runs."""
    changed: dict[str, str] = {}
    changer = threading.Thread(target=lambda: changed.update(change_records(temporary)))
    changer.start()
    done = run(environ, *SHORT)
    changer.join()
    kept = demo_folder(temporary)

    assert done.returncode == 1, done.stdout
    assert re.search(r"^ *lost +1$", done.stdout, re.MULTILINE)
    assert re.search(r"^ *charged twice +1$", done.stdout, re.MULTILINE)
    assert f"order {changed['lost']}" in done.stdout
    assert f"order {changed['charged_twice']}" in done.stdout
    assert kept is not None
    assert str(kept) in done.stderr
    report: dict[str, Any] = json.loads((kept / "report.json").read_text())
    assert {fault["order_id"]: fault["verdict"] for fault in report["faults"]} == {
        changed["lost"]: "lost",
        changed["charged_twice"]: "charged_twice",
    }
    assert left_running(temporary) == []


def change_records(temporary: Path) -> dict[str, str]:
    """Take one paid order out of Breakwall's database, and charge another one again."""
    wait_for("two orders are paid", lambda: paid_orders(temporary) >= 2)
    with closing(sqlite3.connect(database(temporary), timeout=60)) as orders, orders:
        rows = orders.execute("SELECT id FROM orders WHERE status = 'paid' LIMIT 2").fetchall()
        lost, twice = (row[0] for row in rows)
        orders.execute("DELETE FROM attempts WHERE order_id = ?", (lost,))
        orders.execute("DELETE FROM orders WHERE id = ?", (lost,))
    folder = demo_folder(temporary)
    assert folder is not None
    with closing(sqlite3.connect(folder / "payment-service.db", timeout=60)) as ledger, ledger:
        ledger.execute("DELETE FROM charge WHERE order_id = ?", (lost,))
        ledger.execute(
            "INSERT INTO charge (charge_id, key, order_id, user_id, amount, currency, status, code, at)"
            " SELECT charge_id || '-again', key, order_id, user_id, amount, currency, status, code, at"
            " FROM charge WHERE order_id = ?",
            (twice,),
        )
    return {"lost": lost, "charged_twice": twice}


def test_killed_with_9_it_takes_everything_along(environ: dict[str, str], temporary: Path) -> None:
    with subprocess.Popen(breakwall("demo", *SHORT), env=environ, stdout=subprocess.DEVNULL) as demo:
        wait_for("orders are paid", lambda: paid_orders(temporary) > 0)
        assert len(left_running(temporary)) >= 5  # itself, three processes and the worker's broker
        demo.kill()
    wait_for("nothing is left running", lambda: left_running(temporary) == [])


def test_ended_it_leaves_neither_processes_nor_files(environ: dict[str, str], temporary: Path) -> None:
    command = breakwall("demo", *SHORT)
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as demo:
        wait_for("orders are paid", lambda: paid_orders(temporary) > 0)
        demo.send_signal(signal.SIGTERM)
        output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 128 + signal.SIGTERM
    assert "Stopped. Nothing is left running." in output
    assert list(temporary.iterdir()) == []
    assert left_running(temporary) == []


def test_on_a_terminal_ctrl_c_ends_it_as_cleanly(environ: dict[str, str], temporary: Path) -> None:
    """Through a terminal of its own, where Ctrl-C goes to the whole group of processes in front."""
    for name in ("CI", "NO_COLOR"):
        environ.pop(name, None)
    pid, terminal = pty.fork()
    if pid == 0:
        command = breakwall("demo", *SHORT)
        os.execve(command[0], command, {**environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "30"})
    screen = TerminalReader(terminal)
    wait_for("orders are paid", lambda: paid_orders(temporary) > 5)
    wait_for("the panel is drawn", lambda: "closed: charges go through" in screen.text)
    os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    screen.close()
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGINT
    assert screen.text.rstrip().endswith("Stopped. Nothing is left running.")
    assert "\x1b[?25h" in screen.raw  # the cursor is back
    assert list(temporary.iterdir()) == []
    assert left_running(temporary) == []


class TerminalReader:
    """Reads what is written to a terminal, so that its writer never waits."""

    def __init__(self, terminal: int) -> None:
        self.raw = ""
        self._terminal = terminal
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """Without what moves the cursor or changes colours."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw)

    def close(self) -> None:
        self._thread.join(60)
        os.close(self._terminal)

    def _read(self) -> None:
        with suppress(OSError):
            while more := os.read(self._terminal, 4096):
                self.raw += more.decode(errors="replace")


def test_a_process_that_does_not_come_up_is_named_with_its_last_words(
    environ: dict[str, str], temporary: Path
) -> None:
    """Neither the worker nor the customers can start: something pretends to be Celery."""
    (temporary / "celery").mkdir()
    (temporary / "celery" / "__init__.py").write_text("raise SystemExit('no Celery today')")
    done = run({**environ, "PYTHONPATH": str(temporary)}, *SHORT)
    assert done.returncode == 1
    assert re.search(r"^Error: the (worker|customers) ended with code 1\.$", done.stderr, re.MULTILINE)
    assert "no Celery today" in done.stderr
    assert "breakwall doctor" in done.stderr
    assert str(demo_folder(temporary)) in done.stderr
    assert "Traceback" not in done.stderr
    assert left_running(temporary) == []


def test_a_reader_who_leaves_takes_everything_along(environ: dict[str, str], temporary: Path) -> None:
    with subprocess.Popen(breakwall("demo", *SHORT), env=environ, stdout=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        demo.stdout.close()
    assert list(temporary.iterdir()) == []
    assert left_running(temporary) == []


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (["--orders", "50"], "at least 80 at 20 orders a second"),
        (["--orders", "many"], "--orders"),
        (["--rate", "0"], "--rate"),
        (["--outage", "-1"], "--outage"),
        (["--seed", "x"], "--seed"),
        (["-o", "yaml"], "--output"),
    ],
)
def test_a_bad_option_is_named_and_nothing_is_started(
    arguments: list[str], right: str, environ: dict[str, str], temporary: Path
) -> None:
    done = run(environ, *arguments)
    assert done.returncode == 2
    assert right in done.stderr
    assert "Traceback" not in done.stderr
    assert list(temporary.iterdir()) == []
