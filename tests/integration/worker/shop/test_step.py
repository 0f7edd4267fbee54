"""What a shop's worker refuses at its start, and which commands of the shop's Celery it does not concern."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import redis

from breakwall.broker.config import QUEUE
from tests.command import Terminal
from tests.integration.broker_worker import wait_until
from tests.integration.worker.shop.shop_fixtures import celery_command
from tests.source_tree import ROOT

UNREACHABLE = "redis://127.0.0.1:9/0"


@pytest.fixture
def terminal(terminal: Terminal) -> Terminal:
    terminal.environ |= {"SHOP_BROKER": UNREACHABLE, "PYTHONPATH": str(ROOT)}
    return terminal


def run(terminal: Terminal, *arguments: str) -> tuple[int, str]:
    """The exit code of a command of the shop's Celery, and what it printed."""
    ended = subprocess.run(
        celery_command(*arguments),
        cwd=terminal.folder,
        env=terminal.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    return ended.returncode, ended.stdout.decode()


def is_untouched(folder: Path) -> bool:
    """Whether nothing of ours was made there."""
    return not (folder / ".breakwall").exists()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_bad_settings_end_a_worker_before_it_starts_and_each_is_named(terminal: Terminal, pool: str) -> None:
    terminal.set(PAYMENT_TIMEOUT="soon", NO_SUCH="1")
    code, said = run(terminal, "worker", "-P", pool)
    assert code == 2
    assert "BREAKWALL_PAYMENT_TIMEOUT: " in said
    assert "BREAKWALL_NO_SUCH: no such setting" in said
    assert "Traceback" not in said
    assert is_untouched(terminal.folder)


def test_a_broker_of_the_shop_that_we_cannot_use_is_refused_with_what_to_set(terminal: Terminal) -> None:
    terminal.environ["SHOP_BROKER"] = "memory://"
    code, said = run(terminal, "worker", "-P", "solo")
    assert code == 2
    assert "BREAKWALL_BROKER_URL: is not set, and the broker of the Celery app cannot be used" in said
    assert "Traceback" not in said


def test_eventlets_pool_is_refused_with_what_to_use_instead(terminal: Terminal) -> None:
    code, said = run(terminal, "worker", "-P", "eventlet")
    assert code == 2
    assert "use threads or gevent instead" in said


def test_gevents_patch_that_comes_too_late_is_refused(terminal: Terminal) -> None:
    """As by the setting `worker_pool`, which Celery advises against too."""
    terminal.environ["SHOP_PATCHES"] = "1"
    code, said = run(terminal, "worker", "-P", "solo")
    assert code == 2
    assert "gevent has patched this process after Breakwall was imported" in said


def test_a_queue_that_something_else_has_declared_ends_a_worker(terminal: Terminal, redis_url: str) -> None:
    terminal.environ["SHOP_BROKER"] = redis_url
    with redis.Redis.from_url(redis_url) as client:
        client.set(QUEUE, "somebody's")
    code, said = run(terminal, "worker", "-P", "solo")
    assert code == 2
    assert f"a key of another type where the queue needs {QUEUE}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "command",
    [
        ["report"],
        ["call", "--help"],
        ["beat", "--help"],
        ["shell", "--python", "--help"],
        ["inspect", "--timeout", "0.1", "ping"],
    ],
    ids=lambda command: command[0],
)
def test_other_commands_read_no_setting_of_ours(terminal: Terminal, command: list[str]) -> None:
    terminal.set(PAYMENT_TIMEOUT="soon")
    _, said = run(terminal, *command)
    assert "BREAKWALL" not in said
    assert is_untouched(terminal.folder)


def test_beat_runs_beside_bad_settings_and_starts_nothing_of_ours(terminal: Terminal) -> None:
    terminal.set(PAYMENT_TIMEOUT="soon")
    with (terminal.folder / "beat.log").open("wb") as log:
        beat = subprocess.Popen(
            celery_command("beat", "-l", "INFO"),
            cwd=terminal.folder,
            env=terminal.environ,
            stdout=log,
            stderr=log,
        )
    file = terminal.folder / "beat.log"
    assert wait_until(lambda: "beat: Starting" in file.read_text() or beat.poll() is not None)
    beat.terminate()
    beat.wait(timeout=60)
    assert "beat: Starting" in file.read_text()
    assert "BREAKWALL" not in file.read_text()
    assert is_untouched(terminal.folder)
