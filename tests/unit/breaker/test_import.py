"""`import breakwall.breaker` is for who wants only that: it loads the breaker, and the standard library."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.source_tree import ROOT

PROGRAM = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# What the breaker may use of Breakwall: see the layers in pyproject.toml.
ROOMS = {"breakwall.breaker", "breakwall.host", "breakwall.urls", "breakwall.sqlite"}


def loaded(statement: str) -> list[str]:
    """The modules that a new process loads for ``statement``."""
    command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names: list[str] = json.loads(ended.stdout)
    return names


def foreign(names: list[str]) -> set[str]:
    """The packages among them that are neither the standard library's nor Breakwall's."""
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"breakwall"}


@pytest.fixture(scope="module")
def names() -> list[str]:
    return loaded("import breakwall.breaker")


def test_it_loads_no_package_beside_the_standard_library(names: list[str]) -> None:
    assert foreign(names) == set()


def test_it_loads_nothing_of_the_pipeline(names: list[str]) -> None:
    rooms = {".".join(name.split(".")[:2]) for name in names if name.startswith("breakwall.")}
    assert rooms <= ROOMS


def test_it_loads_no_event_loop_and_no_parser_of_mail(names: list[str]) -> None:
    """They take as long as all the rest, and a program without them may never need them."""
    assert {"asyncio", "email", "ssl"}.isdisjoint(names)


def test_a_breaker_in_memory_needs_no_package_either() -> None:
    used = "from breakwall.breaker import CircuitBreaker; CircuitBreaker('payment').call(int)"
    assert foreign(loaded(used)) == set()


@pytest.mark.parametrize(
    ("url", "wanted", "other"),
    [("redis://127.0.0.1:1", "redis", "sqlalchemy"), ("sqlite:///circuits.db", "sqlalchemy", "redis")],
)
def test_a_store_loads_its_own_driver_alone(url: str, wanted: str, other: str) -> None:
    packages = foreign(loaded(f"from breakwall.breaker import store_from_url; store_from_url({url!r})"))
    assert wanted in packages
    assert not packages & {
        other,
        "celery",
        "kombu",
        "pydantic",
        "httpx2",
        "typer",
        "rich",
        "prometheus_client",
    }
