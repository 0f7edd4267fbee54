"""`breakwall queue strange` shows and deletes the messages that were set aside; the doctor counts them."""

from __future__ import annotations

import json
from contextlib import closing

from breakwall.payments.db.database import Database
from breakwall.payments.fleet.strange_messages import store_messages
from breakwall.settings import load_settings
from tests.command import Terminal


def set_aside(terminal: Terminal, *found: tuple[str, object, object]) -> None:
    settings = load_settings({"BREAKWALL_DATA_DIR": str(terminal.home)})
    with closing(Database(settings.database)) as database:
        store_messages(database, found)


def about(terminal: Terminal) -> list[dict[str, object]]:
    checks = terminal.run("doctor", "-o", "json").document["checks"]
    return [check for check in checks if check["name"] == "strange messages"]


ODD = ("it is no JSON", {"headers": {"id": "[red]\n"}}, b"\x1b[2J[bold]\x00 pay\nme")


def test_a_strange_message_is_shown_and_steers_no_terminal(terminal: Terminal) -> None:
    set_aside(terminal, ODD)
    ran = terminal.run("queue", "strange")
    assert ran.code == 0
    assert "18 bytes: it is no JSON" in ran.out
    assert "\\x1b[2J[bold]\\x00 pay\\nme" in ran.out
    assert "[red]\\n" in ran.out
    assert "\x1b" not in ran.out


def test_the_newest_come_first_and_no_more_than_were_asked_for(terminal: Terminal) -> None:
    set_aside(terminal, *(("r", None, str(number)) for number in range(5)))
    shown = terminal.run("queue", "strange", "--limit", "2", "-o", "json").document
    assert [message["body"] for message in shown["messages"]] == ["4", "3"]
    assert shown["cleared"] == 0


def test_people_are_shown_the_beginning_of_a_long_one_and_programs_all_that_is_kept(
    terminal: Terminal,
) -> None:
    set_aside(terminal, ("r", None, "x" * 20_000))
    out = terminal.run("queue", "strange").out
    assert f"    {'x' * 300}… (the first 300 of 16,384 characters kept; -o json shows all)\n" in out
    assert "20,000 bytes" in out
    (message,) = terminal.run("queue", "strange", "-o", "json").document["messages"]
    assert message["body"] == "x" * 16_384


def test_clear_forgets_them(terminal: Terminal) -> None:
    set_aside(terminal, ODD, ODD)
    shown = terminal.run("queue", "strange", "--clear", "-o", "json").document
    assert (len(shown["messages"]), shown["cleared"]) == (2, 2)
    assert terminal.run("queue", "strange", "-o", "json").document["messages"] == []
    assert "There are no strange messages" in terminal.run("queue", "strange").err


def test_the_doctor_tells_how_many_there_are_why_and_when(terminal: Terminal) -> None:
    (finding,) = about(terminal)
    assert (finding["ok"], finding["detail"]) == (True, "none")
    set_aside(terminal, ODD, ODD)
    (finding,) = about(terminal)
    assert finding["ok"] is False
    assert str(finding["detail"]).startswith("2 messages set aside; the newest: it is no JSON (20")
    assert "`breakwall queue strange`" in str(finding["advice"])


def test_json_is_one_document_in_ascii(terminal: Terminal) -> None:
    set_aside(terminal, ODD)
    out = terminal.run("queue", "strange", "-o", "json").out
    assert out.isascii()
    assert json.loads(out)["messages"][0]["size"] == 18
