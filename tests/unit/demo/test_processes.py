"""The demo's processes are started as a user would start them, and missed when they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breakwall.demo import processes as site_module
from breakwall.demo.plan import Plan
from breakwall.demo.processes import DemoSite
from breakwall.processes.children import ChildFailedError


class FakeChild:
    """A process that is only noted."""

    def __init__(self, name: str, command: list[str], **options: Any) -> None:
        self.name = name
        self.command = command
        self.options = options
        self.running = True
        self.how_it_ended = "ended with code 1"

    def kill(self) -> None:
        self.running = False


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoSite:
    monkeypatch.setattr(site_module, "Child", FakeChild)
    site = DemoSite(Plan(600, 25, 12, 7), tmp_path, {"PATH": "/bin"})
    site.start_payment_service()
    site.start_worker()
    site.start_customers()
    return site


def child(site: DemoSite, name: str) -> Any:
    return site._children[name]


def test_the_payment_service_charges_twice_when_it_is_asked_twice(site: DemoSite) -> None:
    """Otherwise "charged twice 0" would be the payment service's merit."""
    assert "--no-deduplicate" in child(site, "payment service").command


def test_every_process_works_in_the_demos_folder_where_no_dot_env_of_the_users_is(
    site: DemoSite, tmp_path: Path
) -> None:
    for name in ("payment service", "worker", "customers"):
        assert child(site, name).options["folder"] == tmp_path
        assert child(site, name).options["environment"]["BREAKWALL_DATA_DIR"] == str(tmp_path / "data")


def test_while_everything_runs_nothing_is_missed(site: DemoSite) -> None:
    site.check()


@pytest.mark.parametrize("name", ["payment service", "worker", "customers"])
def test_a_process_that_ends_is_missed_with_its_last_words(site: DemoSite, tmp_path: Path, name: str) -> None:
    child(site, name).running = False
    (tmp_path / f"{name.replace(' ', '-')}.log").write_text("starting\nout of memory\n")
    with pytest.raises(ChildFailedError, match=f"the {name} ended with code 1") as missed:
        site.check()
    assert missed.value.log.endswith("out of memory")


def test_customers_who_are_done_are_not_missed_however_new_their_last_line_is(
    site: DemoSite, tmp_path: Path
) -> None:
    (tmp_path / "customers.jsonl").write_text('{"event": "done"}\n')
    child(site, "customers").running = False
    site.check()


def test_a_worker_that_ends_when_the_customers_are_done_is_missed(site: DemoSite, tmp_path: Path) -> None:
    (tmp_path / "customers.jsonl").write_text('{"event": "done"}\n')
    child(site, "worker").running = False
    with pytest.raises(ChildFailedError):
        site.check()


def test_what_is_killed_on_purpose_is_not_missed(site: DemoSite) -> None:
    killed = child(site, "worker")
    site.kill(site.worker)
    assert not killed.running
    site.check()


def test_only_what_the_last_worker_said_makes_it_ready(site: DemoSite, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("celery@shop ready.\n")
    assert site.worker_ready()
    site.start_worker()
    assert not site.worker_ready()
    with log.open("a") as more:
        more.write("celery@shop ready.\n")
    assert site.worker_ready()


def test_closing_ends_everything(site: DemoSite) -> None:
    children = list(site._children.values())
    site.close()
    assert not any(child.running for child in children)
