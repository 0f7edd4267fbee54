"""Settings: every bad variable at once, by name, without its value; and defaults that need nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from breakwall.breaker.config import LEAST_WINDOW
from breakwall.settings import SettingsError, load_settings

PASSWORD = "hunter2-hunter2"


def problems(**variables: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings({f"BREAKWALL_{name}": value for name, value in variables.items()})
    return refused.value.problems


def test_with_nothing_set_everything_lives_in_the_data_folder() -> None:
    settings = load_settings({})
    home = Path.cwd() / ".breakwall"
    assert settings.database == f"sqlite:///{home}/breakwall.db"
    assert settings.breaker_store == settings.database
    assert settings.broker == f"redis+socket://{home}/broker.sock"


@pytest.mark.parametrize("name", ["a?b#c", "100%", "%41", "a b", "주문", "a?uri=true"])
def test_the_embedded_database_is_in_the_data_folder_whatever_that_is_called(
    tmp_path: Path, name: str
) -> None:
    settings = load_settings({"BREAKWALL_DATA_DIR": str(tmp_path / name)})
    assert make_url(settings.database).database == str(tmp_path / name / "breakwall.db")


def test_the_breaker_is_beside_the_orders_unless_told_otherwise() -> None:
    settings = load_settings({"BREAKWALL_DATABASE_URL": "postgresql://h/db"})
    assert settings.breaker_store == "postgresql://h/db"


def test_the_payment_circuit_has_the_defaults_of_the_design() -> None:
    settings = load_settings({})
    breaker = settings.breaker
    assert (breaker.failure_threshold, breaker.recovery_timeout, breaker.half_open_max_calls) == (3, 30, 3)
    assert (settings.payment_timeout, settings.payment_deduplicates) == (10, False)


def test_nested_settings_use_two_underscores() -> None:
    assert load_settings({"BREAKWALL_BREAKER__FAILURE_THRESHOLD": "7"}).breaker.failure_threshold == 7


def test_other_programs_variables_are_none_of_ours() -> None:
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
    "variable", ["DATABASE_URL", "BROKER_URL", "BREAKER_STORE_URL", "PAYMENT_URL", "PAYMENT_GATEWAY"]
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


def test_a_window_that_the_breaker_refuses_is_refused_with_what_would_be_right() -> None:
    (problem,) = problems(BREAKER__WINDOW="0.01")
    assert problem.startswith("BREAKWALL_BREAKER__WINDOW: ")
    assert problem.endswith(f" {LEAST_WINDOW}")
    assert load_settings({"BREAKWALL_BREAKER__WINDOW": f"{LEAST_WINDOW}"}).breaker.window == LEAST_WINDOW


@pytest.mark.parametrize(
    ("path", "told"), [("~nobody-of-that-name/x", "no home folder for it"), ("x" * 300, "cannot be a folder")]
)
def test_a_folder_that_can_be_none_is_told_as_that(path: str, told: str) -> None:
    """As in a container, whose user has neither a name nor a home."""
    assert told in problems(DATA_DIR=path)[0]


def test_no_password_is_in_the_settings_repr() -> None:
    settings = load_settings({"BREAKWALL_DATABASE_URL": f"postgresql://u:{PASSWORD}@h/x"})
    assert PASSWORD not in repr(settings) + str(settings)


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
