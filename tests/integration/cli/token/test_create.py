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


class TestIntoAFile:
    LINE = ("token", "create", "page", "--scope", "ops:read", "--into", "token")

    def token(self, terminal: Terminal) -> str:
        return (terminal.folder / "token").read_text().removesuffix("\n")

    def test_the_file_has_the_token_and_nobody_else_may_read_it(self, terminal: Terminal) -> None:
        ran = terminal.run(*self.LINE)
        assert (ran.code, ran.out) == (0, "")
        assert PATTERN.fullmatch(self.token(terminal))
        assert self.token(terminal) not in ran.err
        assert (terminal.folder / "token").stat().st_mode & 0o777 == 0o600

    def test_a_second_time_changes_nothing(self, terminal: Terminal) -> None:
        terminal.run(*self.LINE)
        first = self.token(terminal)
        again = terminal.run(*self.LINE)
        assert (again.code, self.token(terminal)) == (0, first)
        assert "nothing was changed" in again.err

    @pytest.mark.parametrize("lost", [None, "", "bw_" + "x" * 43, "\udcff"])
    def test_a_lost_file_gets_another_token_and_its_own_is_revoked(
        self, terminal: Terminal, lost: str | None
    ) -> None:
        terminal.run(*self.LINE)
        file, first = terminal.folder / "token", self.token(terminal)
        file.unlink()
        if lost is not None:
            file.write_text(lost, errors="surrogateescape")
        assert terminal.run(*self.LINE).code == 0
        assert self.token(terminal) != first
        listed = terminal.run("token", "list", "--all", "-o", "json").document
        assert [one["is_valid"] for one in listed] == [False, True]

    def test_a_revoked_token_is_made_again(self, terminal: Terminal) -> None:
        terminal.run(*self.LINE)
        first = self.token(terminal)
        terminal.run("token", "revoke", "page", "--reason", "seen in a log")
        assert terminal.run(*self.LINE).code == 0
        assert self.token(terminal) != first

    def test_a_file_that_cannot_be_written_leaves_no_token(self, terminal: Terminal) -> None:
        ran = terminal.run(*self.LINE[:-1], "missing/token")
        assert ran.code == 2
        assert terminal.run("token", "list", "-o", "json").document == []
