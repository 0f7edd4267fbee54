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
def test_a_signal_is_received_once_whichever_name_is_imported_first(first: str) -> None:
    script = f"import {first}; from celery import signals; print(len(signals.worker_shutdown.receivers))"
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "1\n"


def test_an_object_pickled_under_the_short_name_is_read() -> None:
    from breakwall.producers import PlaceResult

    assert pickle.loads(b"cproducers.producer\nPlaceResult\n.") is PlaceResult
    assert pickle.loads(pickle.dumps(PlaceResult)) is PlaceResult


def test_a_missing_module_is_reported_by_the_requested_name() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"'worker\.nothing'"):
        importlib.import_module("worker.nothing")
    assert find_spec("producers.nothing") is None
