"""A worker obeys our settings and takes the options that work, however it is started."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from breakwall.broker.celery_environment import AT_IMPORT
from breakwall.broker.publisher import Publisher
from tests.command import Terminal, command_line
from tests.integration.publish_fixtures import depth_of, long_timeouts, publish_each, settings_for
from tests.integration.worker_fixtures import TIMEOUT, running_worker

NOWHERE = "redis://:geheim@127.0.0.1:9/0"

FOREIGN = {
    "BROKER_URL": NOWHERE,
    "CELERY_BROKER": NOWHERE,
    "CELERY_BROKER_URL": NOWHERE,
    "CELERY_BROKER_READ_URL": NOWHERE,
    "CELERY_BROKER_WRITE_URL": NOWHERE,
    "CELERY_CONFIG_MODULE": "no.such.module",
    "CELERY_CUSTOM_WORKER_POOL": "no.such:Pool",
    "CELERY_LOADER": "no.such.loader",
    "CELERY_RESULT_BACKEND": NOWHERE,
    "CELERY_WORKER_AUTOSCALE": "3,1",
    "CELERY_WORKER_CONCURRENCY": "7",
    "CELERY_WORKER_POOL": "solo",
    "CELERY_WORKER_QUEUES": "other",
    "CONFIG_MODULE": "no.such.module",
    "C_FORCE_ROOT": "1",
    "DJANGO_SETTINGS_MODULE": "no.such.module",
    "LOADER": "no.such.loader",
    "RESULT_BACKEND": NOWHERE,
}

CELERY = [sys.executable, "-m", "celery"]
OURS = command_line("worker")
WAYS = {
    "breakwall worker": OURS,
    "celery -A worker worker": [str(Path(sys.executable).with_name("celery")), "-A", "worker", "worker"],
}


@pytest.fixture
def terminal(terminal: Terminal, redis_url: str) -> Terminal:
    """On a broker of its own, in the environment of a shop that has Celery."""
    terminal.set(BROKER_URL=redis_url, DISPATCH__INTERVAL="0.2")
    terminal.environ |= FOREIGN
    return terminal


def refused(terminal: Terminal, *line: str, **environ: str) -> str:
    """What a command that ends with a usage error says."""
    ran = subprocess.run(
        [*CELERY, *line],
        capture_output=True,
        text=True,
        cwd=terminal.folder,
        env={**terminal.environ, **environ},
        timeout=TIMEOUT,
        check=False,
    )
    assert ran.returncode == 2, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stderr


@pytest.mark.parametrize("way", WAYS)
def test_celery_variables_change_nothing_in_a_worker(way: str, terminal: Terminal, redis_url: str) -> None:
    publisher, order = Publisher(settings_for(redis_url)), uuid4().hex
    with running_worker(terminal, [*WAYS[way], "--loglevel", "INFO"]) as worker:
        with long_timeouts():
            assert publisher.publish_many([order])
        worker.wait_for(f"order (id {order}): nothing to do")
    publisher.close()
    assert f"Connected to {redis_url}" in worker.log.replace(":**@", "")
    assert "concurrency: 20 (thread)" in worker.log
    assert "geheim" not in worker.log


def test_celery_variables_change_nothing_in_publisher_and_depth(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    publish_each(redis_url, ["order-1"])
    assert depth_of(settings_for(redis_url)) == 1


def test_what_celery_reads_on_import_is_taken_away_by_our_own_command(terminal: Terminal) -> None:
    terminal.environ |= dict.fromkeys(AT_IMPORT, "1") | {"CELERY_RDBSIG": "1", "REMAP_SIGTERM": "SIGQUIT"}
    with running_worker(terminal) as worker:
        pass
    assert "imports celery" not in worker.log  # C_IMPDEBUG
    assert "Warm shutdown" in worker.log  # REMAP_SIGTERM would make it a cold one


def test_the_doctor_names_celerys_variables_and_never_their_values(short_terminal: Terminal) -> None:
    short_terminal.environ |= FOREIGN
    ran = short_terminal.run("doctor", "-o", "json")
    (finding,) = [found for found in ran.document["checks"] if found["name"] == "environment"]
    assert finding["ok"]
    assert "ignored" in finding["detail"]
    assert all(name in finding["detail"] for name in ("BROKER_URL", "CELERY_BROKER_URL", "C_FORCE_ROOT"))
    assert "geheim" not in ran.out


def test_the_doctor_tells_of_the_one_that_no_celery_survives(short_terminal: Terminal) -> None:
    short_terminal.environ["C_IMPDEBUG"] = "1"
    ran = short_terminal.run("doctor", "-o", "json")
    (finding,) = [found for found in ran.document["checks"] if found["name"] == "environment"]
    assert (finding["ok"], finding["advice"]) == (False, "Unset C_IMPDEBUG.")


def test_what_has_acted_before_us_is_refused_with_what_to_unset(terminal: Terminal) -> None:
    error = refused(terminal, "-A", "worker", "worker", CELERY_TRACE_APP="1", REMAP_SIGTERM="SIGQUIT")
    assert "CELERY_TRACE_APP: unset it, or start with `breakwall worker`" in error
    assert "REMAP_SIGTERM: unset it" in error


def test_options_that_say_where_the_broker_is_are_refused(terminal: Terminal) -> None:
    others = ["--result-backend", NOWHERE, "--loader", "no.such", "--config", "no.such", "--skip-checks"]
    error = refused(terminal, "-b", NOWHERE, *others, "-A", "worker", "worker")
    assert "--broker: leave it out; set BREAKWALL_BROKER_URL" in error
    assert all(f"{option}: leave it out" in error for option in others if option.startswith("--"))
    assert "geheim" not in error


def test_celerys_own_command_refuses_the_same_options_as_ours(terminal: Terminal) -> None:
    error = refused(
        terminal, "-A", "worker", "worker", "--autoscale", "10,3", "-B", "--time-limit", "5", "-D"
    )
    events = [json.loads(line)["event"] for line in error.splitlines()]
    assert all(
        sum(event.startswith(f"{name}: ") for event in events) == 1
        for name in ("--autoscale", "-B/--beat", "--time-limit", "-D/--detach")
    )


def test_celerys_own_command_refuses_another_pool(terminal: Terminal) -> None:
    assert "payments run in threads" in refused(terminal, "-A", "worker", "worker", "-P", "prefork")


def test_celery_multi_is_refused_for_what_it_would_do(terminal: Terminal) -> None:
    line = [*CELERY, "multi", "start", "w1", "-A", "worker", "--pidfile=%n.pid", "--logfile=%n.log"]
    ran = subprocess.run(
        line, capture_output=True, text=True, cwd=terminal.folder, env=terminal.environ, check=False
    )
    assert "in the background it would work in another folder" in ran.stdout + ran.stderr
    assert not (terminal.folder / "w1.pid").exists()


def test_celerys_work_folder_is_where_the_settings_are_read(terminal: Terminal) -> None:
    folder = terminal.folder / "there"
    folder.mkdir()
    (folder / ".env").write_text("BREAKWALL_NONSENSE=1\n")
    assert "BREAKWALL_NONSENSE" in refused(terminal, "--workdir", str(folder), "-A", "worker", "worker")


def test_the_options_that_work_do_what_they_say(terminal: Terminal, redis_url: str) -> None:
    files = ["--pidfile", "%n.pid", "--logfile", "%n.log"]
    line = [*OURS, "-c", "3", "-n", "w1@here", "-l", "INFO", "-E", "--heartbeat-interval", "1", *files]
    publisher = Publisher(settings_for(redis_url))
    log, pid = terminal.folder / "w1.log", terminal.folder / "w1.pid"
    with (terminal.folder / "worker.log").open("wb") as out:
        worker = subprocess.Popen(line, stdout=out, stderr=out, cwd=terminal.folder, env=terminal.environ)
    try:
        # At each heartbeat: a message that is worked on before anybody listens is heard by nobody.
        events = heard(
            redis_url,
            {"worker-heartbeat", "task-received"},
            at_heartbeat=lambda: publisher.publish_many([uuid4().hex]),
        )
        assert int(pid.read_text()) == worker.pid
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=TIMEOUT) == 0
    assert "w1@here ready." in log.read_text()
    assert not pid.exists()
    assert (events["worker-heartbeat"]["hostname"], events["worker-heartbeat"]["freq"]) == ("w1@here", 1)


def heard(url: str, kinds: set[str], *, at_heartbeat: Callable[[], object]) -> dict[str, Any]:
    """The first event of each kind."""
    from celery import Celery

    found: dict[str, Any] = {}

    def note(event: dict[str, Any]) -> None:
        found.setdefault(event["type"], event)
        if event["type"] == "worker-heartbeat":
            at_heartbeat()
        if kinds <= set(found):
            receiver.should_stop = True

    app = Celery(set_as_current=False, broker=url, fixups=[])
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": note})
        receiver.capture(limit=None, timeout=TIMEOUT, wakeup=True)
    return found
