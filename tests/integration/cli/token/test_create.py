from __future__ import annotations

import pytest

from breakwall.access.tokens import PATTERN, digest_of
from tests.command import Terminal


def test_stdout_has_the_token_alone(terminal: Terminal) -> None:
    ran = terminal.run("token", "create", "shop", "--scope", "orders:write", "--expires", "90d")
    assert ran.code == 0
    assert PATTERN.fullmatch(ran.out.removesuffix("\n"))
    assert "only time" in ran.err
    assert "90 d" in ran.err
    assert ran.out.strip() not in ran.err


def test_json_has_the_token_and_what_it_allows(terminal: Terminal) -> None:
    document = terminal.run(
        "token", "create", "anna", "--scope", "ops:write", "--scope", "ops:read", "-o", "json"
    ).document
    assert PATTERN.fullmatch(document.pop("token"))
    assert document == {"name": "anna", "scopes": ["ops:read", "ops:write"], "expires_in_seconds": None}


def test_the_token_is_in_no_file(terminal: Terminal) -> None:
    token = terminal.run("token", "create", "shop", "--scope", "orders:write").out.strip()
    stored = b"".join(file.read_bytes() for file in terminal.home.rglob("*") if file.is_file())
    assert digest_of(token).encode() in stored
    assert token.encode() not in stored


def test_a_name_that_is_taken_is_refused(terminal: Terminal) -> None:
    line = ("token", "create", "shop", "--scope", "orders:write", "-o", "json")
    assert terminal.run(*line).code == 0
    again = terminal.run(*line)
    assert (again.code, again.error["type"], again.out) == (4, "refused", "")


def test_a_name_of_the_setting_is_refused(terminal: Terminal) -> None:
    terminal.set(API_TOKENS=f"shop:orders:write:{'0' * 64}")
    assert terminal.run("token", "create", "shop", "--scope", "orders:write").code == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("shop",),
        ("shop", "--scope", "all"),
        ("a b", "--scope", "ops:read"),
        ("shop", "--scope", "ops:read", "--expires", "soon"),
        ("shop", "--scope", "ops:read", "--expires", "0s"),
    ],
)
def test_wrong_input_makes_no_token(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    ran = terminal.run("token", "create", *arguments)
    assert (ran.code, ran.out) == (2, "")


def test_it_is_in_the_audit_trail(terminal: Terminal) -> None:
    terminal.run(
        "token", "create", "shop", "--scope", "orders:write", "--reason", "new shop", "--actor", "kim"
    )
    [entry] = terminal.run("audit", "-o", "json").document
    assert (entry["action"], entry["subject"], entry["detail"]) == ("token_create", "shop", "orders:write")
    assert (entry["actor"], entry["reason"], entry["result"]) == ("kim", "new shop", "done")
