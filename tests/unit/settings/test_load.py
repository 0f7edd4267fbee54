"""Every bad variable is reported at once, by name, without its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.settings import SettingsError, load_producer_settings, load_settings
from tests.unit.settings.problems import PASSWORD, problems


def test_nested_settings_use_two_underscores() -> None:
    assert load_settings({"BREAKWALL_BREAKER__FAILURE_THRESHOLD": "7"}).breaker.failure_threshold == 7


def test_other_programs_variables_are_ignored() -> None:
    assert load_settings({"PATH": "/bin", "BREAK": "x"})


def test_an_unknown_setting_is_named_with_the_nearest_known_one() -> None:
    assert problems(DATABASE_UR="x") == [
        "BREAKWALL_DATABASE_UR: no such setting; did you mean BREAKWALL_DATABASE_URL?"
    ]


def test_every_bad_variable_is_reported_at_once() -> None:
    found = problems(RETRY__CAP="soon", PAYMENT_TIMEOUT="-1", NONSENSE="1", BROKER_URL="http://h")
    assert [problem.partition(":")[0] for problem in found] == [
        "BREAKWALL_NONSENSE",
        "BREAKWALL_BROKER_URL",
        "BREAKWALL_PAYMENT_TIMEOUT",
        "BREAKWALL_RETRY__CAP",
    ]


@pytest.mark.parametrize(
    "variable", ["DATABASE_URL", "BROKER_URL", "BREAKER_STORE_URL", "PAYMENT_URL", "PAYMENT_OPTIONS"]
)
@pytest.mark.parametrize(
    "value", [PASSWORD, f"mysql://u:{PASSWORD}@h/x", f"redis://u:{PASSWORD}@h:port", f"://{PASSWORD}"]
)
def test_a_bad_value_is_never_repeated(variable: str, value: str) -> None:
    assert PASSWORD not in "".join(problems(**{variable: value}))


def test_a_url_without_a_host_is_refused() -> None:
    assert "names no host" in problems(BROKER_URL="redis://")[0]


@pytest.mark.parametrize("value", ["nan", "inf", "-5", "0", "ten"])
def test_a_timeout_is_a_positive_finite_number(value: str) -> None:
    assert problems(PAYMENT_TIMEOUT=value)[0].startswith("BREAKWALL_PAYMENT_TIMEOUT: ")


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
def test_an_unreadable_line_of_ours_in_dotenv_is_refused_and_not_repeated(
    tmp_path: Path, line: str, told: str
) -> None:
    """With the default instead, orders would go into another database."""
    (tmp_path / ".env").write_text(f"A=1\n{line}\nB=2\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(dotenv=tmp_path / ".env")
    (problem,) = refused.value.problems
    assert told in problem
    assert PASSWORD not in problem


def test_an_unreadable_line_of_others_in_dotenv_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """python-dotenv warned of it, and the warning's format was read from the same file, in an endless loop."""
    (tmp_path / ".env").write_text(f'it is: "{PASSWORD}\nBREAKWALL_RETRY__BASE=2\n')
    assert load_settings(dotenv=tmp_path / ".env").retry.base == 2
    assert caplog.records == []


def test_code_that_is_run_is_named_by_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("BREAKWALL_OUTCOMES__LISTENER=shop.hooks:settled\n")
    with pytest.raises(SettingsError, match="taken from the process's environment alone"):
        load_settings(dotenv=file)
    file.unlink()
    monkeypatch.setenv("BREAKWALL_OUTCOMES__LISTENER", "shop.hooks:settled")
    assert load_settings(dotenv=file).outcomes.listener == "shop.hooks:settled"


WRONG = {"BREAKWALL_OUTCOMES__WEBHOOK_URL": f"http://{PASSWORD}/h", "BREAKWALL_OUTCOMES__WEBHOK": "1"}


def test_a_wrong_setting_for_outcomes_is_a_warning_to_a_shop_that_only_sells(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = load_producer_settings({**WRONG, "BREAKWALL_RETRY__CAP": "7"})
    assert settings.retry.cap == 7
    assert settings.outcomes.ways == ()
    [record] = caplog.records
    assert "BREAKWALL_OUTCOMES__WEBHOOK_URL: should start with https://" in record.getMessage()
    assert "BREAKWALL_OUTCOMES__WEBHOK: no such setting" in record.getMessage()
    assert PASSWORD not in record.getMessage()


def test_any_other_wrong_setting_is_refused_there_too_and_with_all_that_is_wrong() -> None:
    with pytest.raises(SettingsError) as refused:
        load_producer_settings({**WRONG, "BREAKWALL_RETRY__CAP": "soon"})
    assert len(refused.value.problems) > len(WRONG)


def test_right_settings_for_outcomes_are_a_producers_too(caplog: pytest.LogCaptureFixture) -> None:
    assert load_producer_settings({"BREAKWALL_OUTCOMES__LISTENER": "shop.hooks:hear"}).outcomes.ways == (
        "listener",
    )
    assert caplog.records == []


def test_a_listener_in_the_file_does_not_stop_a_shop_that_only_sells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".env").write_text("BREAKWALL_OUTCOMES__LISTENER=shop.hooks:hear\n")
    monkeypatch.delenv("BREAKWALL_OUTCOMES__LISTENER", raising=False)
    assert load_producer_settings(dotenv=tmp_path / ".env").outcomes.ways == ()
    assert "BREAKWALL_OUTCOMES__LISTENER" in caplog.text
