"""Celery's own handlers write Breakwall's lines, in a worker of ours and nowhere else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import logging, sys, threading
from types import SimpleNamespace
from celery import signals
from breakwall.settings import load_settings
from breakwall.worker.app import create_app
from breakwall.worker.log.setup import log_printed_lines

app = create_app(load_settings({settings}))
if {ours}:
    signals.celeryd_init.send("w", instance=SimpleNamespace(app=app, quiet=False), conf=app.conf, options={{}})
app.log.setup(logging.INFO, {logfile!r}, redirect_stdouts=not {ours}, redirect_level="WARNING")
logging.getLogger("sqlalchemy.pool").warning("a %s", "b\\nc")
if {ours}:
    log_printed_lines(
        SimpleNamespace(app=app, redirect_stdouts=True, redirect_stdouts_level="WARNING", _custom_logging=False)
    )
print("said by \\x1b[2J", "a library")
try:
    raise ValueError("no")
except ValueError:
    logging.getLogger("celery.task").exception("it failed")
logging.getLogger("sqlalchemy.pool").debug("too much")

class Late:
    def __del__(self):
        raise ValueError("too late")

Late()
dead = threading.Thread(target=lambda: 1 / 0, name="t1")
dead.start()
dead.join()
"""


def logged(folder: Path, *, ours: bool = True, **settings: str) -> list[str]:
    logfile = folder / "w.log"
    given = {f"BREAKWALL_{name}": value for name, value in settings.items()}
    script = SCRIPT.format(settings=given, ours=ours, logfile=str(logfile))
    subprocess.run([sys.executable, "-c", script], check=True, cwd=folder, timeout=60, capture_output=True)
    return logfile.read_text(encoding="utf-8").splitlines()


def test_every_librarys_events_come_out_alike_in_celerys_file_and_at_its_level(tmp_path: Path) -> None:
    events = [json.loads(line) for line in logged(tmp_path)]
    assert [(event["logger"], event["level"], event["event"]) for event in events] == [
        ("sqlalchemy.pool", "warning", "a b\\nc"),
        ("celery.redirected", "warning", "said by \\x1b[2J a library"),
        ("celery.task", "error", "it failed"),
        ("breakwall.worker", "error", events[3]["event"]),
        ("breakwall.worker", "critical", "the thread t1 failed"),
    ]
    assert events[2]["exception"].endswith("ValueError: no")
    assert events[3]["exception"].endswith("ValueError: too late")
    assert events[4]["exception"].endswith("ZeroDivisionError: division by zero")


def test_text_is_a_setting(tmp_path: Path) -> None:
    first, *_ = logged(tmp_path, LOG__FORMAT="text")
    assert first.endswith("Z WARNING sqlalchemy.pool: a b\\nc")


def test_another_programs_worker_keeps_its_own_format(tmp_path: Path) -> None:
    first, *_ = logged(tmp_path, ours=False)
    assert first.endswith("WARNING/MainProcess] a b")


STARTING = """
import logging, os, sys
from celery import signals
from celery.apps.worker import Worker
from breakwall.settings import load_settings
from breakwall.worker.app import create_app

os.getuid = os.geteuid = lambda: 0
app = create_app(load_settings({}))
starting = Worker.__new__(Worker)
starting.app, starting.hostname = app, "w"
starting.on_before_init(quiet=True)
logging.basicConfig(level=logging.INFO, stream=sys.stderr, force=True)
signals.celeryd_after_setup.send("w", instance=starting, conf=app.conf)
"""


def test_as_root_it_advises_what_can_be_done(tmp_path: Path) -> None:
    """Celery advises --uid, which is refused."""
    ran = subprocess.run(
        [sys.executable, "-c", STARTING], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert "the worker runs as root" in ran.stderr
    assert "--uid" not in ran.stderr
    assert "SecurityWarning" not in ran.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_log_that_cannot_be_written_is_reported_once_not_with_a_traceback_for_each_line(
    tmp_path: Path,
) -> None:
    script = SCRIPT.format(settings={}, ours=True, logfile="/dev/full")
    ran = subprocess.run(
        [sys.executable, "-c", script], check=True, cwd=tmp_path, timeout=60, capture_output=True, text=True
    )
    (line,) = ran.stderr.splitlines()
    assert json.loads(line)["event"] == (
        "lines of the log are lost, because they cannot be written (No space left on device)"
    )
