"""What `add_to` does to a shop's app, what it refuses, and what it returns."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, current_app

from breakwall.broker.config import TASK
from breakwall.settings import load_settings
from breakwall.worker import add_to
from breakwall.worker.app import create_app
from breakwall.worker.shop.addition import MOST_CONCURRENCY, STEP
from tests.source_tree import ROOT

BROKER = "redis://:geheim17@127.0.0.1:1/0"


@pytest.fixture
def app() -> Celery:
    return Celery("shop", broker=BROKER, set_as_current=False)


@pytest.fixture
def _current_app() -> Iterator[None]:
    """It is the whole process's: restore it when the test ends."""
    before = current_app._get_current_object()
    yield
    before.set_current()


def settings_of(app: Celery) -> dict[str, Any]:
    return {name: repr(value) for name, value in app.conf.items()}


def ours_in(app: Celery) -> set[str]:
    return {name for name, task in app.tasks.items() if task.__module__.startswith("breakwall.worker.shop")}


@pytest.mark.parametrize("is_finalized", [False, True])
def test_no_setting_of_the_app_is_changed(app: Celery, is_finalized: bool) -> None:
    app.conf.task_acks_late = False
    app.conf.task_annotations = {"*": {"rate_limit": "1/s"}}
    if is_finalized:
        app.finalize()
    before, queues = settings_of(app), sorted(app.amqp.queues)
    add_to(app)
    app.finalize()
    assert (settings_of(app), sorted(app.amqp.queues)) == (before, queues)


def test_only_our_task_and_our_step_are_added_and_to_no_other_app(app: Celery) -> None:
    other = Celery("other", set_as_current=False)
    add_to(app)
    assert (ours_in(app), ours_in(other)) == ({TASK}, set())
    assert dict(app.steps) == {"worker": {STEP}}


def test_the_task_has_nothing_of_the_shops_own_task_class(app: Celery) -> None:
    class ShopTask(app.Task):  # type: ignore[misc, name-defined]
        acks_late = False
        ignore_result = False

    app.Task = ShopTask
    add_to(app)
    task = app.tasks[TASK]
    assert not isinstance(task, ShopTask)
    assert task.acks_late
    assert task.ignore_result


def test_called_again_with_the_same_arguments_it_returns_the_same(app: Celery) -> None:
    first = add_to(app, concurrency=5)
    assert add_to(app, concurrency=5) is first
    assert len(app.steps["worker"]) == 1


@pytest.mark.parametrize("other", [{"concurrency": 6}, {"settings": load_settings({})}])
def test_called_again_with_other_arguments_it_refuses(app: Celery, other: dict[str, Any]) -> None:
    add_to(app, concurrency=5)
    with pytest.raises(ValueError, match="with other arguments: call it once"):
        add_to(app, **{"concurrency": 5, **other})


@pytest.mark.parametrize("wrong", [0, -1, MOST_CONCURRENCY + 1, 2.5, "4", True, None])
def test_a_wrong_concurrency_is_refused_before_anything_is_added(app: Celery, wrong: Any) -> None:
    with pytest.raises(ValueError, match="concurrency: should be a whole number from 1 to 1000"):
        add_to(app, concurrency=wrong)
    assert not app.steps["worker"]


@pytest.mark.parametrize("wrong", [None, "shop", object(), Celery])
def test_what_is_no_celery_app_is_refused_by_name(wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"should be the shop's Celery app.* not a {type(wrong).__name__}"):
        add_to(wrong)


@pytest.mark.usefixtures("_current_app")
def test_our_own_app_is_refused() -> None:
    with pytest.raises(TypeError, match="is Breakwall's own, which needs no add_to"):
        add_to(create_app(load_settings({})))


@pytest.mark.usefixtures("_current_app")
def test_celerys_current_app_stands_for_the_shops(app: Celery) -> None:
    app.set_current()
    assert add_to(current_app) is add_to(app)


def test_bad_settings_do_not_matter_before_a_worker_starts(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAKWALL_PAYMENT_TIMEOUT", "soon")
    add_to(app)


def test_what_it_returns_shows_no_password(app: Celery) -> None:
    assert "geheim17" not in repr(add_to(app))


BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "celery.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.mark.usefixtures("_current_app")
def test_the_pages_first_block_is_a_shop_whose_workers_drain_the_queue() -> None:
    names: dict[str, Any] = {"__name__": "shop"}
    exec(BLOCKS[0], names)
    assert ours_in(names["app"]) == {TASK}
    assert names["app"].tasks["shop.greet"]("you") == "Hello you"


@pytest.mark.parametrize("block", BLOCKS[1:])
def test_each_other_block_of_the_page_is_python_that_calls_add_to(block: str) -> None:
    """Django and Flask are no dependency of the tests."""
    calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    assert any(isinstance(call.func, ast.Name) and call.func.id == "add_to" for call in calls)


def test_a_web_process_loads_neither_a_driver_nor_the_workers_parts() -> None:
    look = (
        "import sys, celery, worker; app = celery.Celery('shop'); before = set(sys.modules); worker.add_to(app); "
        "new = set(sys.modules) - before; "
        "print([m for m in ('sqlalchemy', 'redis', 'httpx2', 'breakwall.worker.runtime') if m in new])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
