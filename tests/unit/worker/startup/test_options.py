"""Of Celery's options some work, and every other one is refused with a reason: none is ignored."""

from __future__ import annotations

from typing import Any

import click
import pytest
from celery.bin.base import CLIContext
from click.testing import CliRunner

from breakwall.broker.celery_app import IsolatedCelery
from breakwall.settings import load_settings
from breakwall.worker.startup.options import REASONS, SUPPORTED, SUPPORTED_VALUES, own_worker

VALUES = {
    "autoscale": "10,3",
    "exclude_queues": "other",
    "executable": "/bin/true",
    "include": "shop.tasks",
    "max_memory_per_child": "1000",
    "max_tasks_per_child": "10",
    "optimization": "fair",
    "pool_start_method": "spawn",
    "prefetch_multiplier": "4",
    "queues": "payments.retry,other",
    "schedule_filename": "beat.db",
    "scheduler": "some:Scheduler",
    "soft_time_limit": "5",
    "statedb": "state.db",
    "time_limit": "5",
    "uid": "nobody",
    "gid": "nogroup",
    "umask": "022",
}
"""One for each option that takes one."""


class Started(Exception):  # noqa: N818 - no error
    """Celery's worker would run now, with these options."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> click.Command:
    """The worker's command; instead of a worker it raises `Started`."""

    def instead(**options: Any) -> None:
        raise Started(options)

    monkeypatch.setattr("celery.bin.worker.worker.callback", instead)
    return own_worker()


def run(command: click.Command, *line: str, environ: dict[str, str] | None = None) -> Any:
    """What Celery is started with, or what it says instead."""
    app = IsolatedCelery(load_settings({}), current=False)
    ran = CliRunner().invoke(command, list(line), obj=CLIContext(app, True, None), env=environ)
    if isinstance(ran.exception, Started):
        return ran.exception.options
    assert ran.exit_code == 2
    return " ".join(ran.output.split())


def names() -> list[str]:
    return sorted(str(param.name) for param in own_worker().params)


def test_every_option_of_the_installed_celery_works_or_has_a_reason_why_not() -> None:
    assert set(names()) == SUPPORTED | set(REASONS)


@pytest.mark.parametrize("name", sorted(REASONS))
def test_an_option_that_does_not_work_is_refused_with_its_reason(name: str, command: click.Command) -> None:
    param = next(param for param in command.params if param.name == name)
    for spelling in param.opts:
        error = run(command, spelling, *([VALUES[name]] if name in VALUES else []))
        assert f"{spelling}" in error
        assert REASONS[name] in error


@pytest.mark.parametrize("pool", ["prefork", "processes", "solo", "gevent", "eventlet", "custom"])
@pytest.mark.parametrize("option", ["-P", "--pool"])
def test_every_pool_but_threads_is_refused_without_being_imported(
    pool: str, option: str, command: click.Command
) -> None:
    error = run(command, option, pool)
    assert "payments run in threads" in error
    assert "--concurrency" in error


def test_several_are_refused_at_once(command: click.Command) -> None:
    error = run(command, "--beat", "--autoscale", "3,1", "--purge")
    assert all(option in error for option in ("--beat", "--autoscale", "--purge"))


def test_settings_behind_the_options_are_refused(command: click.Command) -> None:
    assert "Breakwall's settings are in the environment" in run(command, "--", "broker.url=redis://x")


@pytest.mark.parametrize("number", ["0", "auto", "1001", "-1"])
def test_a_number_of_threads_that_makes_no_sense_is_refused(number: str, command: click.Command) -> None:
    assert "--concurrency" in run(command, "--concurrency", number)


def test_what_says_how_it_is_anyway_is_taken(command: click.Command) -> None:
    line = ["-P", "threads", "-Q", "payments.retry", "-O", "default", "--prefetch-multiplier", "1"]
    options = run(command, *line, "--without-gossip", "--without-mingle")
    assert {name: options[name] for name in SUPPORTED_VALUES} == SUPPORTED_VALUES


def test_without_options_there_are_threads_as_many_as_configured(command: click.Command) -> None:
    options = run(command)
    assert options["pool"].__module__ == "celery.concurrency.thread"
    assert options["concurrency"] == 20


def test_what_works_reaches_celery(command: click.Command) -> None:
    line = ["-c", "3", "-n", "w1@here", "-l", "INFO", "-f", "w.log", "--pidfile", "w.pid", "-E"]
    options = run(command, *line, "--heartbeat-interval", "7", "--without-heartbeat")
    assert (options["concurrency"], options["hostname"], options["loglevel"]) == (3, "w1@here", 20)
    assert (options["logfile"], options["pidfile"], options["task_events"]) == ("w.log", "w.pid", True)
    assert (options["heartbeat_interval"], options["without_heartbeat"]) == (7, True)


def test_the_environment_gives_no_option_its_value(command: click.Command) -> None:
    environ = {"CELERY_WORKER_POOL": "solo", "CELERY_WORKER_CONCURRENCY": "7", "CELERY_POOL": "solo"}
    assert run(command, environ=environ)["concurrency"] == 20
