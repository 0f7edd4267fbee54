"""Celery's environment variables change nothing, and all of them are known."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from breakwall.broker.celery_app import IsolatedCelery
from breakwall.broker.celery_environment import (
    AT_IMPORT,
    OTHERS,
    WITH_A_DEBUGGER,
    foreign_variables,
    hide_from_celery,
    read_at_import,
)
from breakwall.settings import load_settings

OURS = "redis://127.0.0.1:1/7"
THEIRS = "redis://:geheim@127.0.0.1:2/8"

HARMLESS = {
    "APP",  # the app that the command line loads: it has chosen ours
    "CELERY_LOG_FILE",  # those with LOG are for Celery's child processes, and we have none
    "EVENTLET_NOBLOCK",  # for a pool that is refused
    "FORKED_BY_MULTIPROCESSING",  # set by Celery for its child processes
    "ITERM_PROFILE",  # for the terminal
    "MP_MAIN_FILE",  # for child processes, like the next ones
    "DJANGO_PROJECT_DIR",
    "MULTIPROCESSING_FORKING_DISABLE",
    "NOSETPS",  # whether the process list shows a worker's state
    "NO_COLOR",  # a common variable, which has its effect here too
    "NUMBER_OF_PROCESSORS",  # of Windows
    "SLMQ_ACCOUNT",  # for brokers that are refused
    "SLMQ_HOST",
    "SLMQ_PORT",
    "SLMQ_SECURE",
    "SL_API_KEY",
    "SL_USERNAME",
    "TERM",
}


def ours() -> IsolatedCelery:
    return IsolatedCelery(load_settings({"BREAKWALL_BROKER_URL": OURS}), current=False)


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"])
def test_another_brokers_address_is_not_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, THEIRS)
    app = ours()
    used = (app.conf.broker_url, app.conf.broker_read_url, app.conf.broker_write_url)
    connected = (app.connection(), app.connection_for_read(), app.connection_for_write())
    assert used == (OURS, OURS, OURS)
    assert [(line.port, line.virtual_host) for line in connected] == [(1, "7")] * 3


def test_there_is_no_result_backend_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_RESULT_BACKEND", THEIRS)
    assert ours().conf.result_backend is None


@pytest.mark.parametrize("name", ["CELERY_CONFIG_MODULE", "CELERY_LOADER", "DJANGO_SETTINGS_MODULE"])
def test_a_module_that_the_environment_names_is_not_even_looked_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "no.such.module")
    assert ours().conf.broker_url == OURS


def test_a_configuration_that_the_environment_names_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shops_celeryconfig.py").write_text("broker_url = 'redis://x'\nworker_concurrency = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "shops_celeryconfig")
    app = ours()
    assert (app.conf.broker_url, app.conf.worker_concurrency) == (OURS, 20)


def test_a_shops_own_app_still_obeys_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import Celery

    monkeypatch.setenv("CELERY_BROKER_URL", THEIRS)
    ours()
    assert Celery(set_as_current=False).conf.broker_url == THEIRS


def test_celerys_variables_are_named_and_no_others() -> None:
    environ = {
        "PATH": "/bin",
        "BREAKWALL_BROKER_URL": OURS,
        "CELERY_BROKER_URL": THEIRS,
        "CELERY_WORKER_POOL": "solo",
        f"CELERY_BROKER_URL:{THEIRS}?a": "b",
        "C_FORCE_ROOT": "1",
        "KOMBU_LOG_DEBUG": "1",
        "BROKER_URL": THEIRS,
    }
    assert foreign_variables(environ) == [
        "BROKER_URL",
        "CELERY_BROKER_URL",
        "CELERY_WORKER_POOL",
        "C_FORCE_ROOT",
        "KOMBU_LOG_DEBUG",
    ]


def test_variables_that_celery_reads_at_import_are_removed_and_a_listeners_stay() -> None:
    environ = {"CELERY_TRACE_APP": "1", "CELERY_RDBSIG": "1", "CELERY_BROKER_URL": THEIRS, "C_BENCH": ""}
    assert read_at_import(environ) == ["CELERY_TRACE_APP"]
    hide_from_celery(environ)
    assert environ == {"CELERY_BROKER_URL": THEIRS}


def test_every_variable_that_the_installed_celery_reads_is_known() -> None:
    known = {*AT_IMPORT, *OTHERS, WITH_A_DEBUGGER, *HARMLESS}
    read = {name for package in ("celery", "kombu", "billiard") for name in _read_by(package)}
    assert len(read) > 20, "the search finds nothing any more"
    assert {name for name in read if not name.startswith(("CELERY_", "KOMBU_", "_MP_"))} - known == set()


def test_every_variable_that_acts_on_import_is_known() -> None:
    import_time = {name for package in ("celery", "kombu", "billiard") for name in _read_by(package, "^")}
    named = {name for name in import_time if name.startswith(("CELERY_", "KOMBU_"))}
    assert len(named) > 5, "the search finds nothing any more"
    assert named <= set(AT_IMPORT)


def _read_by(package: str, start: str = "") -> set[str]:
    """Names in calls of ``environ``; with ``^`` only those in a module's own lines, which run on import."""
    folder = Path(str(import_module(package).__file__)).parent
    call = r"(?:environ\.get\(|environ\[|_env\(|envvar=)\s*['\"](\w+)['\"]"
    pattern = re.compile(rf"^(?!def )[^\s#].*?{call}" if start else call, re.MULTILINE)
    files = (file for file in folder.rglob("*.py") if "contrib" not in file.parts)  # tests, and a debugger
    return {name for file in files for name in pattern.findall(file.read_text())}
