"""`.env`: no line of ours is passed over, and no value is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.settings import SettingsError, load_settings
from tests.unit.settings.problems import PASSWORD


def test_a_dotenv_file_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.env"
    file.write_text("BREAKWALL_PAYMENT_TIMEOUT=3\nBREAKWALL_RETRY__BASE=2\n")
    monkeypatch.setenv("BREAKWALL_PAYMENT_TIMEOUT", "4")
    settings = load_settings(dotenv=file)
    assert (settings.payment_timeout, settings.retry.base) == (4, 2)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"BREAKWALL_DATABASE_URL: postgresql://u:{PASSWORD}@h/x", ".env: line 2 cannot be read: NAME=value"),
        (f'BREAKWALL_DATABASE_URL="postgresql://u:{PASSWORD}@h/x', ".env: line 2 cannot be read: NAME=value"),
        (f"BREAKWALL_DATABASE_URL:sqlite://{PASSWORD}?a=b", "BREAKWALL_DATABASE_URL…: is not a name; NAME="),
    ],
)
def test_a_line_of_ours_in_dotenv_that_says_nothing_is_refused_and_not_repeated(
    tmp_path: Path, line: str, told: str
) -> None:
    """The default would be used instead, and orders go into another database."""
    (tmp_path / ".env").write_text(f"A=1\n{line}\nB=2\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(dotenv=tmp_path / ".env")
    (problem,) = refused.value.problems
    assert told in problem
    assert PASSWORD not in problem


def test_a_line_of_others_in_dotenv_that_cannot_be_read_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """python-dotenv warned of it, and the warning's format was looked for in the same file: without end."""
    (tmp_path / ".env").write_text(f'it is: "{PASSWORD}\nBREAKWALL_RETRY__BASE=2\n')
    assert load_settings(dotenv=tmp_path / ".env").retry.base == 2
    assert caplog.records == []
