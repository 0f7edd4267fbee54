from __future__ import annotations

from tests.command import Terminal


def test_a_revoked_token_says_who_revoked_it_and_why(terminal: Terminal) -> None:
    terminal.run("token", "create", "shop", "--scope", "orders:write")
    document = terminal.run(
        "token", "revoke", "shop", "--reason", "lost", "--actor", "kim", "-o", "json"
    ).document
    assert (document["is_valid"], document["revoked_by"], document["revoke_reason"]) == (False, "kim", "lost")


def test_an_unknown_name_is_not_found_and_recorded_as_refused(terminal: Terminal) -> None:
    assert terminal.run("token", "revoke", "shop", "--reason", "lost").code == 3
    [entry] = terminal.run("audit", "-o", "json").document
    assert (entry["action"], entry["result"]) == ("token_revoke", "refused")


def test_a_reason_is_needed(terminal: Terminal) -> None:
    terminal.run("token", "create", "shop", "--scope", "orders:write")
    assert terminal.run("token", "revoke", "shop").code == 2
    assert len(terminal.run("token", "list", "-o", "json").document) == 1
