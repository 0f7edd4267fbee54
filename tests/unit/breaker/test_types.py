"""A type checker knows what a protected call returns."""

from __future__ import annotations

import subprocess
import sys

import pytest

from breakwall.breaker import protector_types
from tests.source_tree import ROOT

CHECKED = "tests/unit/breaker/typed_calls.py"


def test_a_type_checker_knows_the_results_and_the_arguments_of_protected_calls() -> None:
    pytest.importorskip("mypy", reason="mypy is one of the development tools")
    # Without the project's list of packages, which would be checked too.
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), CHECKED]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_types_of_decorators_cost_no_call() -> None:
    """They are protocols: no object of theirs is ever made."""
    with pytest.raises(TypeError, match="Protocols cannot be instantiated"):
        protector_types.Protector()  # type: ignore[misc]
