"""`tools/test-again` gives a failed test one more run, and a broken suite none."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "test-again"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder of tests, of which some fail as long as there is no file ``mended``."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def run(suite: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=60)


def fail(suite: Path, number: int) -> None:
    (suite / "test_it.py").write_text(
        "import pathlib, pytest\n\n"
        f"@pytest.mark.parametrize('number', range({number}))\n"
        "def test_it(number):\n    assert pathlib.Path('mended').exists()\n"
    )
    assert run(suite, sys.executable, "-m", "pytest", "-q").returncode == 1


def again(suite: Path) -> subprocess.CompletedProcess[str]:
    return run(suite, str(TOOL), sys.executable)


def test_a_test_that_fails_twice_fails_the_run(suite: Path) -> None:
    fail(suite, 1)
    assert again(suite).returncode == 1


def test_a_test_that_then_passes_is_named_at_the_end(suite: Path) -> None:
    fail(suite, 3)
    (suite / "mended").touch()
    ran = again(suite)
    assert ran.returncode == 0
    assert ran.stdout.endswith(
        "Mend each before anything else:\n" + "".join(f"test_it.py::test_it[{n}]\n" for n in range(3))
    )


def test_more_than_three_failed_tests_are_not_run_again(suite: Path) -> None:
    fail(suite, 4)
    (suite / "mended").touch()
    assert again(suite).returncode == 1


def test_a_run_that_fails_without_a_failed_test_stays_failed(suite: Path) -> None:
    assert again(suite).returncode == 1
