"""The suggested commands work in another terminal."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from breakwall.up.instructions import Ports, command_name, how_to_use

USUAL = Ports(8090, 8091)


def test_at_the_usual_port_a_command_needs_no_setting() -> None:
    lines = how_to_use("breakwall", USUAL, {})
    assert "  breakwall orders place --user u1 --amount 10000 --currency KRW --key cart-1" in lines
    assert "  breakwall backlog --watch" in lines


def test_an_order_for_stripe_has_a_payment_method() -> None:
    lines = how_to_use("breakwall", None, {}, gateway="stripe")
    assert any(line.endswith("--key cart-1 --payment-method pm_card_visa") for line in lines)


def test_at_another_port_every_command_says_where_the_service_is() -> None:
    commands = [line for line in how_to_use("breakwall", Ports(9000, 9001), {}) if " breakwall " in line]
    assert len(commands) == 2
    assert all("BREAKWALL_PAYMENT_URL=http://127.0.0.1:9000 breakwall" in line for line in commands)


def test_the_faults_are_switched_with_json_that_the_shell_leaves_alone() -> None:
    (curl,) = [line for line in how_to_use("breakwall", USUAL, {}) if "curl" in line]
    words = shlex.split(curl)
    assert "http://127.0.0.1:8091/faults" in words
    assert json.loads(words[-1]) == {"down": True}


def test_a_payment_service_of_the_users_own_is_not_switched_off() -> None:
    assert not [line for line in how_to_use("breakwall", None, {}) if "curl" in line]


def test_a_user_who_has_set_variables_is_told_that_the_other_terminal_needs_them() -> None:
    assert "same BREAKWALL_ variables" in how_to_use("breakwall", USUAL, {"BREAKWALL_DATA_DIR": "x"})[1]
    assert "variables" not in how_to_use("breakwall", USUAL, {"PATH": "/bin"})[1]


def test_the_page_is_named_if_there_is_one() -> None:
    page = "http://127.0.0.1:8080/"
    assert page in how_to_use("breakwall", USUAL, {}, page=page)[0]
    assert "page" not in how_to_use("breakwall", USUAL, {})[0]


def test_a_command_on_the_path_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "breakwall"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_name(str(program), "/usr/bin/python3") == "breakwall"


def test_a_command_elsewhere_is_called_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert command_name(".venv/bin/breakwall", "/usr/bin/python3") == ".venv/bin/breakwall"


def test_a_module_is_called_as_a_module() -> None:
    called = command_name("/site/breakwall/__main__.py", "/usr/bin/python3")
    assert re.fullmatch("/usr/bin/python3 -m breakwall", called)
