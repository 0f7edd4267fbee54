"""The bounds of the groups of settings."""

from __future__ import annotations

import base64
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from breakwall.breaker import CircuitBreakerConfig
from breakwall.breaker.config import LEAST_WINDOW, PREDICATES
from breakwall.settings import BreakerSettings, load_settings
from tests.unit.settings.problems import problems


def test_a_window_that_the_breaker_refuses_is_refused_with_what_would_be_right() -> None:
    (problem,) = problems(BREAKER__WINDOW="0.01")
    assert problem.startswith("BREAKWALL_BREAKER__WINDOW: ")
    assert problem.endswith(f" {LEAST_WINDOW}")
    assert load_settings({"BREAKWALL_BREAKER__WINDOW": f"{LEAST_WINDOW}"}).breaker.window == LEAST_WINDOW


# What no variable can hold, what another setting says, and what payments always use.
IN_CODE_ONLY = {"expected_exception", "neutral_exception", *PREDICATES}
NO_SETTINGS = {*IN_CODE_ONLY, "timeout", "adaptive_limit"}
SETTINGS = [field for field in fields(CircuitBreakerConfig) if field.name not in NO_SETTINGS]
# Payments open earlier than the library's default, and probe with more.
OWN_DEFAULTS = {"failure_threshold": 3, "half_open_max_calls": 3}


def test_every_field_of_the_breakers_configuration_is_a_setting() -> None:
    assert set(BreakerSettings.model_fields) == {field.name for field in SETTINGS}


@pytest.mark.parametrize("field", sorted(IN_CODE_ONLY))
def test_no_variable_can_name_a_class_or_a_function(field: str) -> None:
    (problem,) = problems(**{f"BREAKER__{field.upper()}": "shop.errors.is_failure"})
    assert field.upper() in problem


def test_its_defaults_are_the_breakers_but_for_those_of_payments() -> None:
    expected = {field.name: field.default for field in SETTINGS} | OWN_DEFAULTS
    assert BreakerSettings().model_dump() == expected


def _bounds(name: str) -> dict[str, float]:
    """A setting's bounds by their JSON schema's words, also those of an optional one."""
    schema: dict[str, Any] = BreakerSettings.model_json_schema()["properties"][name]
    parts = [schema, *schema.get("anyOf", [])]
    return {word: part[word] for part in parts for word in part if "inimum" in word or "aximum" in word}


@pytest.mark.parametrize("name", sorted(BreakerSettings.model_fields))
def test_the_breaker_takes_what_the_setting_takes_and_refuses_what_is_below(name: str) -> None:
    bounds = _bounds(name)
    highest = bounds["maximum"]
    lowest = bounds.get("minimum", bounds.get("exclusiveMinimum"))
    assert lowest is not None
    more = {"recovery_timeout": 1e-9} if name == "max_recovery_timeout" else {}
    BreakerSettings(**{name: highest})
    CircuitBreakerConfig(**{name: highest})
    if "minimum" in bounds:
        BreakerSettings(**{name: lowest})
        CircuitBreakerConfig(**{name: lowest}, **more)
    with pytest.raises(ValueError, match=name):
        CircuitBreakerConfig(**{name: lowest - 1 if "minimum" in bounds else lowest}, **more)


def test_the_longest_pause_is_not_shorter_than_the_first() -> None:
    (problem,) = problems(BREAKER__MAX_RECOVERY_TIMEOUT="29.5")
    assert problem == (
        "BREAKWALL_BREAKER__MAX_RECOVERY_TIMEOUT: should be at least BREAKWALL_BREAKER__RECOVERY_TIMEOUT: 30"
    )
    more = {"BREAKWALL_BREAKER__MAX_RECOVERY_TIMEOUT": "30"}
    assert load_settings(more).breaker.max_recovery_timeout == 30


@pytest.mark.parametrize("wait", ["-0.1", "301", "nan", "soon"])
def test_a_wait_that_place_cannot_keep_is_refused(wait: str) -> None:
    (problem,) = problems(PLACE__WAIT=wait)
    assert problem.startswith("BREAKWALL_PLACE__WAIT: ")


@pytest.mark.parametrize("number", ["0", "1001", "many"])
def test_a_bulkhead_that_is_no_bulkhead_is_refused(number: str) -> None:
    (problem,) = problems(PAYMENT_MAX_CONCURRENCY=number)
    assert problem.startswith("BREAKWALL_PAYMENT_MAX_CONCURRENCY: ")


SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
URL = "https://shop.example/hook"


def test_nobody_is_told_by_default() -> None:
    assert not load_settings({}).outcomes.is_used


def test_a_webhook_needs_its_secret_and_a_secret_its_webhook() -> None:
    assert problems(OUTCOMES__WEBHOOK_URL=URL) == [
        "BREAKWALL_OUTCOMES__WEBHOOK_SECRET: should be set too, because BREAKWALL_OUTCOMES__WEBHOOK_URL is"
    ]
    assert problems(OUTCOMES__WEBHOOK_SECRET=SECRET) == [
        "BREAKWALL_OUTCOMES__WEBHOOK_SECRET: has no effect without BREAKWALL_OUTCOMES__WEBHOOK_URL"
    ]
    both = {
        "BREAKWALL_OUTCOMES__WEBHOOK_URL": URL,
        "BREAKWALL_OUTCOMES__WEBHOOK_SECRET": f"{SECRET} {SECRET}",
    }
    assert load_settings(both).outcomes.is_used


def test_a_webhooks_secret_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    given = {"OUTCOMES__WEBHOOK_URL": URL, "OUTCOMES__WEBHOOK_SECRET_FILE": str(file)}
    assert load_settings({f"BREAKWALL_{name}": value for name, value in given.items()}).outcomes.is_used
    assert problems(**given, OUTCOMES__WEBHOOK_SECRET=SECRET) == [
        "BREAKWALL_OUTCOMES__WEBHOOK_SECRET: holds the secret, and so does BREAKWALL_OUTCOMES__WEBHOOK_SECRET_FILE: "
        "remove one"
    ]
    assert problems(OUTCOMES__WEBHOOK_SECRET_FILE=str(file)) == [
        "BREAKWALL_OUTCOMES__WEBHOOK_SECRET_FILE: has no effect without BREAKWALL_OUTCOMES__WEBHOOK_URL"
    ]
    file.write_text("hidden-words")
    [problem] = problems(**given)
    assert problem.startswith("BREAKWALL_OUTCOMES__WEBHOOK_SECRET_FILE: should be whsec_")
    assert "hidden-words" not in problem


def test_a_task_needs_its_broker() -> None:
    assert problems(OUTCOMES__TASK="shop.settled") == [
        "BREAKWALL_OUTCOMES__BROKER_URL: should be set too, because BREAKWALL_OUTCOMES__TASK is"
    ]
    both = {
        "BREAKWALL_OUTCOMES__TASK": "shop.settled",
        "BREAKWALL_OUTCOMES__BROKER_URL": "redis://127.0.0.1:9/0",
    }
    assert load_settings(both).outcomes.is_used


def test_a_webhook_is_encrypted_unless_private_addresses_are_allowed() -> None:
    plain = {"OUTCOMES__WEBHOOK_URL": "http://127.0.0.1:8000/hook", "OUTCOMES__WEBHOOK_SECRET": SECRET}
    [problem] = problems(**plain)
    assert problem == (
        "BREAKWALL_OUTCOMES__WEBHOOK_URL: should start with https://, unless BREAKWALL_OUTCOMES__ALLOW_PRIVATE=true"
    )
    allowed = {**plain, "OUTCOMES__ALLOW_PRIVATE": "true"}
    assert load_settings({f"BREAKWALL_{name}": value for name, value in allowed.items()}).outcomes.is_used


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OUTCOMES__WEBHOOK_SECRET", "hidden-words"),
        ("OUTCOMES__WEBHOOK_URL", "ftp://hidden-words"),
        ("OUTCOMES__WEBHOOK_URL", "https://shop.example/#hidden-words"),
        ("OUTCOMES__WEBHOOK_URL", "https://shop.example/hidden-words ä"),
        ("OUTCOMES__TASK", "hidden words"),
        ("OUTCOMES__LISTENER", "hidden-words"),
    ],
)
def test_a_value_for_outcomes_that_cannot_be_one_is_named_and_not_repeated(name: str, value: str) -> None:
    found = " ".join(problems(**{name: value}))
    assert f"BREAKWALL_{name}" in found
    assert "hidden" not in found
