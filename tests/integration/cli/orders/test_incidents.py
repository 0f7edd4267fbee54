"""`breakwall orders incidents`, and the commands that stop reporting a closed incident."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import pytest

from breakwall.payments.db.clock import DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.ledger.audit import report_incident
from breakwall.simulator.client import SimulatorControl
from tests.command import Ran, Terminal

FIELDS = {"id", "order_id", "at", "kind", "detail", "closed_at", "closed_by", "close_reason"}


def report(terminal: Terminal, *details: str) -> list[int]:
    """Incidents of one order, found in this sequence; their numbers."""
    order_id = terminal.place().document["id"]
    with closing(Database(f"sqlite:///{terminal.home}/breakwall.db")) as database:
        for detail in details:
            incident = {"order_id": order_id, "kind": "two_charges", "detail": detail}
            database.write(partial(report_incident, clock=DatabaseClock(), **incident))
    return [incident["id"] for incident in terminal.show()["incidents"]]


def listed(terminal: Terminal, *arguments: str) -> list[str]:
    ran = terminal.run("orders", "incidents", *arguments, "-o", "json")
    assert ran.code == 0
    return [incident["detail"] for incident in ran.document]


def close(terminal: Terminal, number: int, *arguments: str) -> None:
    line = ["--close", str(number), "--reason", "refunded ch_2", *arguments]
    assert terminal.run("orders", "incidents", *line).code == 0


class TestListing:
    def test_shows_order_kind_detail_and_time(self, terminal: Terminal) -> None:
        (number,) = report(terminal, "ch_1 and ch_2")
        (incident,) = terminal.run("orders", "incidents", "-o", "json").document
        assert set(incident) == FIELDS
        assert (incident["id"], incident["order_id"]) == (number, terminal.show()["id"])
        assert (incident["kind"], incident["detail"]) == ("two_charges", "ch_1 and ch_2")
        assert incident["closed_at"] is incident["closed_by"] is incident["close_reason"] is None

    def test_shows_the_same_as_text(self, terminal: Terminal) -> None:
        report(terminal, "[b]ch_1[/b] and ch_2")
        heads, line = terminal.run("orders", "incidents").out.splitlines()
        assert heads.split() == ["incident", "order", "kind", "since", "detail"]
        assert terminal.show()["id"] in line
        assert line.rstrip().endswith("UTC  [b]ch_1[/b] and ch_2")

    def test_has_all_open_ones_newest_first(self, terminal: Terminal) -> None:
        report(terminal, *"abcde")
        assert listed(terminal) == list("edcba")

    def test_has_the_closed_ones_only_with_all(self, terminal: Terminal) -> None:
        first, _ = report(terminal, "first", "second")
        close(terminal, first)
        assert listed(terminal) == ["second"]
        assert listed(terminal, "--all") == ["second", "first"]
        assert "by anna: refunded ch_2" in terminal.run("orders", "incidents", "--all").out

    def test_says_that_there_are_more_than_it_shows(self, terminal: Terminal) -> None:
        report(terminal, *"abc")
        ran = terminal.run("orders", "incidents", "--limit", "2", "-o", "json")
        assert [incident["detail"] for incident in ran.document] == ["c", "b"]
        assert "more than these 2" in ran.err

    def test_says_that_none_is_open(self, terminal: Terminal) -> None:
        ran = terminal.run("orders", "incidents")
        assert (ran.code, ran.out, ran.err) == (0, "", "No incident is open.\n")


class TestClosing:
    def test_records_who_and_why(self, terminal: Terminal) -> None:
        (number,) = report(terminal, "ch_1 and ch_2")
        line = ["--close", str(number), "--reason", "refunded ch_2", "-o", "json"]
        closed = terminal.run("orders", "incidents", *line).document
        assert (closed["closed_by"], closed["close_reason"]) == ("anna", "refunded ch_2")
        assert closed["closed_at"] is not None
        assert terminal.show()["incidents"] == [closed]

    def test_can_name_another_actor(self, terminal: Terminal) -> None:
        (number,) = report(terminal, "ch_1 and ch_2")
        close(terminal, number, "--actor", "bert")
        assert terminal.show()["incidents"][0]["closed_by"] == "bert"

    def test_is_reported_in_words_and_with_the_orders_history(self, terminal: Terminal) -> None:
        (number,) = report(terminal, "ch_1 and ch_2")
        ran = terminal.run("orders", "incidents", "--close", str(number), "--reason", "[b]no[/b]")
        assert ran.out == f"Incident {number} of order {terminal.show()['id']} is closed.\n"
        assert "by anna: [b]no[/b]" in terminal.run("orders", "show", "cart-1").out

    def test_of_one_that_is_not_there_is_not_found(self, terminal: Terminal) -> None:
        report(terminal, "ch_1 and ch_2")
        ran = terminal.run("orders", "incidents", "--close", "77", "--reason", "x", "-o", "json")
        assert (ran.code, ran.error["type"], ran.out) == (3, "not_found", "")

    def test_of_one_that_is_closed_is_refused_and_changes_nothing(self, terminal: Terminal) -> None:
        (number,) = report(terminal, "ch_1 and ch_2")
        close(terminal, number)
        line = ["--close", str(number), "--reason", "x", "--actor", "bert", "-o", "json"]
        ran = terminal.run("orders", "incidents", *line)
        assert (ran.code, ran.error["type"]) == (4, "refused")
        assert "was closed by anna: refunded ch_2" in ran.error["message"]
        assert terminal.show()["incidents"][0]["closed_by"] == "anna"

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["--close", "1"], "--reason"),
            (["--open", "cart-1"], "--reason"),
            (["--open", "cart-1", "--reason", "x", "--id", "--key"], "--key"),
            (["--close", "1", "--reason", "x", "--id"], "--id"),
            (["--open", "cart-1", "--close", "1", "--reason", "x"], "--open"),
            (["--open", "cart-1", "--reason", "x", "--all"], "--all"),
            (["--open", "cart-1", "--reason", "x", "--limit", "5"], "--limit"),
            (["--close", "1", "--reason", "x", "--limit", "5"], "--limit"),
            (["--close", "1", "--reason", " "], "--reason"),
            (["--close", "1", "--reason", "x", "--actor", ""], "--actor"),
            (["--close", "1", "--reason", "x", "--all"], "--all"),
            (["--close", "0", "--reason", "x"], "--close"),
            (["--close", "99999999999999999999", "--reason", "x"], "--close"),
            (["--reason", "x"], "--reason"),
            (["--actor", "bert"], "--actor"),
        ],
    )
    def test_that_cannot_be_meant_is_a_usage_error_and_changes_nothing(
        self, terminal: Terminal, arguments: list[str], named: str
    ) -> None:
        report(terminal, "ch_1 and ch_2")
        ran = terminal.run("orders", "incidents", *arguments)
        assert ran.code == 2
        assert named in ran.err
        assert listed(terminal) == ["ch_1 and ch_2"]


class TestOpening:
    @pytest.fixture(autouse=True)
    def placed(self, terminal: Terminal) -> None:
        terminal.place()

    def open_one(self, terminal: Terminal, reason: str = "ch_9 in the report of May") -> Ran:
        return terminal.run("orders", "incidents", "--open", "cart-1", "--reason", reason, "-o", "json")

    def test_records_what_was_found_and_by_whom(self, terminal: Terminal) -> None:
        opened = self.open_one(terminal).document
        assert (opened["kind"], opened["order_id"]) == ("reported", terminal.show()["id"])
        assert opened["detail"] == "ch_9 in the report of May (reported by anna)"
        assert opened["closed_at"] is None
        assert terminal.show()["incidents"] == [opened]

    def test_is_reported_in_words(self, terminal: Terminal) -> None:
        ran = terminal.run("orders", "incidents", "--open", "cart-1", "--reason", "x")
        assert ran.out == f"Incident 1 of order {terminal.show()['id']} is open.\n"

    def test_is_reported_of_by_the_backlog_until_it_is_closed(self, terminal: Terminal) -> None:
        number = self.open_one(terminal).document["id"]
        assert terminal.run("backlog", "-o", "json").document["incidents"] == 1
        close(terminal, number)
        assert terminal.run("backlog", "-o", "json").document["incidents"] == 0

    def test_the_same_twice_is_one_incident(self, terminal: Terminal) -> None:
        assert self.open_one(terminal).document == self.open_one(terminal).document
        assert len(listed(terminal)) == 1

    def test_what_was_reported_and_closed_is_refused_with_who_closed_it(self, terminal: Terminal) -> None:
        close(terminal, self.open_one(terminal).document["id"])
        again = self.open_one(terminal)
        assert (again.code, again.error["type"]) == (4, "refused")
        assert "was closed by anna: refunded ch_2" in again.error["message"]

    def test_for_an_unknown_order_is_not_found(self, terminal: Terminal) -> None:
        ran = terminal.run("orders", "incidents", "--open", "nobody", "--reason", "x", "-o", "json")
        assert (ran.code, ran.error["type"], ran.out) == (3, "not_found", "")


class TestAClosedIncident:
    def test_is_no_problem_for_the_doctor_any_more(
        self, terminal: Terminal, payments: SimulatorControl
    ) -> None:
        """It names the command for both, until there is nothing to do."""
        numbers = report(terminal, "ch_1 and ch_2", "ch_1 and ch_3")
        for number in numbers:
            shown = terminal.run("doctor")
            assert shown.code == 1
            assert "breakwall orders incidents --close NUMBER --reason TEXT" in shown.out
            close(terminal, number)
        assert terminal.run("doctor").code == 0

    def test_is_not_reported_of_by_the_doctor_beside_an_open_one(self, terminal: Terminal) -> None:
        first, second = report(terminal, "ch_1 and ch_2", "ch_1 and ch_3")
        close(terminal, first)
        checks = terminal.run("doctor", "-o", "json").document["checks"]
        (found,) = [check["detail"] for check in checks if check["name"] == "incidents"]
        where = f"incident {second} of order {terminal.show()['id']}"
        assert found == f"1 open; the newest: {where}: ch_1 and ch_3"

    def test_is_not_counted_in_the_backlog(self, terminal: Terminal) -> None:
        first, _ = report(terminal, "ch_1 and ch_2", "ch_1 and ch_3")
        close(terminal, first)
        assert terminal.run("backlog", "-o", "json").document["incidents"] == 1
        assert "1 open: charges to check, see breakwall orders incidents" in terminal.run("backlog").out
