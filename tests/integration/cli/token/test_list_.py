from __future__ import annotations

from tests.command import Terminal


def test_without_a_token_it_says_how_to_make_one(terminal: Terminal) -> None:
    ran = terminal.run("token", "list")
    assert (ran.code, ran.out) == (0, "")
    assert "breakwall token create" in ran.err


def test_it_shows_names_scopes_and_uses_but_no_token(terminal: Terminal) -> None:
    token = terminal.run("token", "create", "shop", "--scope", "orders:write", "--actor", "kim").out.strip()
    shown = terminal.run("token", "list")
    assert "orders:write" in shown.out
    assert "kim" in shown.out
    assert "valid" in shown.out
    assert token not in shown.out
    [document] = terminal.run("token", "list", "-o", "json").document
    assert document["is_valid"] is True
    assert document["used_at"] is None
    assert "digest" not in document


def test_revoked_ones_are_listed_when_all_are_asked_for(terminal: Terminal) -> None:
    terminal.run("token", "create", "shop", "--scope", "orders:write")
    terminal.run("token", "revoke", "shop", "--reason", "lost")
    assert terminal.run("token", "list", "-o", "json").document == []
    [document] = terminal.run("token", "list", "--all", "-o", "json").document
    assert document["revoke_reason"] == "lost"
    assert "revoked" in terminal.run("token", "list", "--all").out


def test_it_counts_those_of_the_setting(terminal: Terminal) -> None:
    terminal.set(API_TOKENS=f"shop:orders:write:{'0' * 64}")
    assert "1 token more" in terminal.run("token", "list").err
