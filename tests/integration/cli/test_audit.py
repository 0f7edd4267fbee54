"""`breakwall audit`: what people did from the command line, whichever command it was."""

from __future__ import annotations

import pytest

from tests.command import Terminal

KIM = ("--reason", "maintenance", "--actor", "kim")


@pytest.fixture
def terminal(short_terminal: Terminal) -> Terminal:
    return short_terminal


@pytest.mark.parametrize(
    ("command", "action", "subject"),
    [
        (("breaker", "force-open", *KIM, "--for", "10m"), "breaker_force_open", "payment"),
        (("breaker", "force-close", *KIM), "breaker_force_close", "payment"),
        (("breaker", "observe", *KIM), "breaker_observe", "payment"),
        (("breaker", "auto", *KIM), "breaker_auto", "payment"),
        (("queue", "pause", *KIM), "queue_pause", "queue"),
        (("queue", "rate", "5", *KIM), "queue_rate", "queue"),
        (("outcomes", "enable", "webhook", *KIM), "outcomes_enable", "webhook"),
        (("outcomes", "forget", "webhook", "--yes", *KIM), "outcomes_forget", "webhook"),
        (("outcomes", "redeliver", "--all-failed", *KIM), "outcomes_redeliver", None),
        (("token", "create", "shop", "--scope", "ops:read", *KIM), "token_create", "shop"),
    ],
)
def test_each_changing_command_leaves_an_entry(
    terminal: Terminal, command: tuple[str, ...], action: str, subject: str | None
) -> None:
    assert terminal.run(*command).code == 0
    [entry] = terminal.run("audit", "-o", "json").document
    assert (entry["action"], entry["subject"], entry["result"]) == (action, subject, "done")
    assert (entry["actor"], entry["reason"]) == ("kim", "maintenance")


def test_an_override_says_for_how_long(terminal: Terminal) -> None:
    terminal.run("breaker", "force-open", *KIM, "--for", "10m")
    assert "for 10m" in terminal.run("audit").out


def test_a_filter_and_a_limit(terminal: Terminal) -> None:
    terminal.run("breaker", "force-open", *KIM)
    terminal.run("queue", "pause", "--reason", "later", "--actor", "lee")
    terminal.run("queue", "resume", "--actor", "lee")
    ran = terminal.run("audit", "--actor", "lee", "--limit", "1")
    assert "queue_resume" in ran.out
    assert "queue_pause" not in ran.out
    assert "more than these 1" in ran.err
    found = terminal.run("audit", "--action", "breaker", "--since", "2h", "-o", "json").document
    assert [entry["action"] for entry in found] == ["breaker_force_open"]
    assert terminal.run("audit", "--since", "2030-01-01", "-o", "json").document == []


def test_without_an_entry_it_says_so(terminal: Terminal) -> None:
    ran = terminal.run("audit")
    assert (ran.code, ran.out) == (0, "")
    assert "Nobody" in ran.err


def test_a_wrong_time_is_refused(terminal: Terminal) -> None:
    assert terminal.run("audit", "--since", "yesterday").code == 2


def test_an_override_that_cannot_be_recorded_is_not_made(terminal: Terminal) -> None:
    store = f"sqlite:///{terminal.folder / 'circuit.db'}"
    terminal.set(BREAKER_STORE_URL=store)
    assert terminal.run("breaker", "force-open", *KIM).code == 0
    terminal.set(DATABASE_URL="postgresql://127.0.0.1:9/nowhere")
    ran = terminal.run("breaker", "auto", *KIM, "-o", "json")
    assert (ran.code, ran.error["type"]) == (1, "database_unavailable")
    override = terminal.run("breaker", "status", "-o", "json").document["override"]
    assert override["mode"] == "forced_open"
