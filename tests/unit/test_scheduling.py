"""`pytest -n` gives whole modules to its processes."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.scheduling import by_module

pytest.importorskip("xdist")


def config(dist: str) -> Any:
    """As much of pytest's as xdist asks for."""
    option = SimpleNamespace(dist=dist, loadscopereorder=True)
    return SimpleNamespace(option=option, getvalue=lambda name: ["popen", "popen"])


def test_a_module_is_not_divided_and_the_order_stays() -> None:
    chosen = config("load")
    scheduler = by_module(chosen, None)
    scopes = [scheduler._split_scope(f"test_a.py::{test}") for test in ("test_x", "TestY::test_z[a::b]")]
    assert scopes == ["test_a.py", "test_a.py"]
    assert chosen.option.loadscopereorder is False


@pytest.mark.parametrize("dist", ["loadscope", "worksteal", "each"])
def test_another_way_that_is_asked_for_is_taken(dist: str) -> None:
    assert by_module(config(dist), None) is None
