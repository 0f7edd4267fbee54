"""`worker` and `producers` are second names of `breakwall.worker` and `breakwall.producers`."""

import importlib
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    "worker",
    "worker.app",
    "worker.retry",
    "producers",
    "producers.producer",
    "producers.order_files",
]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_one_under_both_names(name: str) -> None:
    assert importlib.import_module(name) is importlib.import_module(f"breakwall.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_knows_itself_by_its_long_name(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__spec__ is not None
    assert module.__spec__.name == module.__name__ == f"breakwall.{name}"


@pytest.mark.parametrize("first", ["worker.app, breakwall.worker.app", "breakwall.worker.app, worker.app"])
def test_whichever_name_comes_first_a_signal_is_heard_once(first: str) -> None:
    script = f"import {first}; from celery import signals; print(len(signals.worker_shutdown.receivers))"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "1\n"


def test_what_was_pickled_under_the_short_name_is_read() -> None:
    from breakwall.producers import PlaceResult

    assert pickle.loads(b"cproducers.producer\nPlaceResult\n.") is PlaceResult
    assert pickle.loads(pickle.dumps(PlaceResult)) is PlaceResult


def test_a_module_that_is_not_there_is_missed_by_the_name_that_was_asked_for() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"'worker\.nothing'"):
        importlib.import_module("worker.nothing")
    assert find_spec("producers.nothing") is None
