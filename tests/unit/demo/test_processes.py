"""The demo's processes are started as a user would start them, and none ends unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breakwall.demo import processes as module
from breakwall.demo.options import DemoOptions
from breakwall.demo.processes import DemoProcesses
from breakwall.processes.child import ChildFailedError


class FakeChild:
    """A process that is not started."""

    def __init__(self, name: str, command: list[str], **options: Any) -> None:
        self.name = name
        self.command = command
        self.options = options
        self.running = True
        self.how_it_ended = "ended with code 1"
        self.pid = 4711

    def kill(self) -> None:
        self.running = False


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoProcesses:
    monkeypatch.setattr(module, "Child", FakeChild)
    processes = DemoProcesses(DemoOptions(600, 25, 12, 7), tmp_path, {"PATH": "/bin"})
    processes.start_payment_service()
    processes.start_worker()
    processes.start_customers()
    return processes


def child(processes: DemoProcesses, name: str) -> Any:
    return processes._children[name]


def test_the_payment_service_charges_twice_when_it_is_asked_twice(processes: DemoProcesses) -> None:
    """Otherwise "charged twice 0" would be the payment service's merit."""
    assert "--no-deduplicate" in child(processes, "payment service").command


def test_every_process_works_in_the_demos_folder_where_no_dot_env_of_the_users_is(
    processes: DemoProcesses, tmp_path: Path
) -> None:
    for name in ("payment service", "worker", "customers"):
        assert child(processes, name).options["folder"] == tmp_path
        assert child(processes, name).options["environment"]["BREAKWALL_DATA_DIR"] == str(tmp_path / "data")


def test_while_everything_runs_nothing_is_missed(processes: DemoProcesses) -> None:
    processes.check()


@pytest.mark.parametrize("name", ["payment service", "worker", "customers"])
def test_a_process_that_ends_is_missed_with_its_last_words(
    processes: DemoProcesses, tmp_path: Path, name: str
) -> None:
    child(processes, name).running = False
    (tmp_path / f"{name.replace(' ', '-')}.log").write_text("starting\nout of memory\n")
    with pytest.raises(ChildFailedError, match=f"the {name} ended with code 1") as missed:
        processes.check()
    assert missed.value.log.endswith("out of memory")


def test_customers_who_are_done_are_not_missed_however_new_their_last_line_is(
    processes: DemoProcesses, tmp_path: Path
) -> None:
    (tmp_path / "customers.jsonl").write_text('{"event": "done"}\n')
    child(processes, "customers").running = False
    processes.check()


def test_a_worker_that_ends_when_the_customers_are_done_is_missed(
    processes: DemoProcesses, tmp_path: Path
) -> None:
    (tmp_path / "customers.jsonl").write_text('{"event": "done"}\n')
    child(processes, "worker").running = False
    with pytest.raises(ChildFailedError):
        processes.check()


def test_what_is_killed_on_purpose_is_not_missed(processes: DemoProcesses) -> None:
    killed = child(processes, "worker")
    assert processes.kill("worker") == killed.pid
    assert not killed.running
    processes.check()


def test_only_what_the_last_worker_said_makes_it_ready(processes: DemoProcesses, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("celery@shop ready.\n")
    assert processes.worker_ready()
    processes.start_worker()
    assert not processes.worker_ready()
    with log.open("a") as more:
        more.write("celery@shop ready.\n")
    assert processes.worker_ready()


def test_closing_ends_everything(processes: DemoProcesses) -> None:
    children = list(processes._children.values())
    processes.close()
    assert not any(child.running for child in children)
