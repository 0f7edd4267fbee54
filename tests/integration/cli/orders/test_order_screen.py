"""`breakwall orders show` on a terminal of 24 lines and 80 columns shows the newest of everything."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len
from sqlalchemy import Connection, insert, update

from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import attempts, incidents, interventions, orders
from breakwall.payments.ledger.queries import get_order
from tests.command import ShortTerminal, Terminal

KEY = "cart-1"
ATTEMPTS = 30
LONG = "The payment service said 503, and nothing more than that could be read from its long answer."


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """An order with many attempts, interventions and incidents."""
    terminal = ShortTerminal(tmp_path_factory.mktemp("site"))
    terminal.set(PAYMENT_URL="http://127.0.0.1:9")
    terminal.place(key=KEY)
    with closing(Database(f"sqlite:///{terminal.home / 'breakwall.db'}")) as database:
        give_it_a_history(database)
    return terminal


def give_it_a_history(database: Database) -> None:
    order = get_order(database, KEY)
    then = order.created_at + timedelta(hours=1)
    tried = {
        "order_id": order.id,
        "source": "worker",
        "gateway_key": order.charge_key,
        "started_at": then,
        "finished_at": then + timedelta(seconds=1),
        "outcome": "failed",
        "code": "http_503",
        "detail": LONG,
    }
    done = {
        "order_id": order.id,
        "at": then,
        "action": "resolve_not_charged",
        "actor": "anna-maria.gonzalez@shop.example.com",
        "reason": LONG,
        "before": "review",
        "after": "queued",
        "evidence": "absent",
    }
    found = {"order_id": order.id, "kind": "charged_after_resolution", "at": then}

    def work(connection: Connection) -> None:
        numbers = range(2, ATTEMPTS + 1)
        connection.execute(insert(attempts).values(tried), [{"number": n, "fence": n} for n in numbers])
        connection.execute(insert(interventions).values(done), [{"fence": n} for n in range(6)])
        connection.execute(insert(incidents).values(found), [{"detail": f"ch_{n}, {LONG}"} for n in range(4)])
        changed = {"last_error": f"http_503: {LONG} {LONG}", "suspected_at": then, "user_id": "u" * 255}
        connection.execute(update(orders).where(orders.c.id == order.id).values(changed))

    database.write(work)


def shown(terminal: Terminal, *options: str, lines: int = 24, columns: int = 80) -> list[str]:
    """What stands on a terminal of that size, without colours."""
    out = terminal.run_attended("orders", "show", KEY, *options, lines=lines, columns=columns).out
    return re.sub(r"\x1b\[[0-9;]*m", "", out).replace("\r", "").splitlines()


@pytest.mark.parametrize("columns", [80, 60])
def test_the_history_fits_with_the_shells_prompt_below_it(terminal: Terminal, columns: int) -> None:
    lines = shown(terminal, columns=columns)
    assert len(lines) <= 23
    assert max(map(cell_len, lines)) <= columns
    assert any(re.match(rf" +{ATTEMPTS}  worker ", line) for line in lines)
    assert lines[-1] == "… 27 attempts, 5 interventions, 3 incidents before: --all"


def test_what_is_open_and_what_was_done_last_are_in_sight(terminal: Terminal) -> None:
    lines = "\n".join(shown(terminal))
    for part in ("last error    http_503: ", "resolve_not_charged", "charged_after_resolution", "ch_3, "):
        assert part in lines


def test_a_larger_terminal_shows_more(terminal: Terminal) -> None:
    lines = shown(terminal, lines=70, columns=100)
    assert len(lines) <= 69
    assert sum(" worker " in line for line in lines) == ATTEMPTS - 1


def test_with_all_and_in_json_nothing_is_missing_or_cut(terminal: Terminal) -> None:
    whole = terminal.run("orders", "show", KEY, "--all").out
    assert whole.count(LONG) == 2 + (ATTEMPTS - 1) + 6 + 4
    document = terminal.show(KEY)
    assert [len(document[name]) for name in ("attempts", "interventions", "incidents")] == [ATTEMPTS, 6, 4]


def test_what_goes_to_a_pipe_is_as_short_and_no_line_of_it_is_cut(terminal: Terminal) -> None:
    lines = terminal.run("orders", "show", KEY).out.splitlines()
    assert len(lines) <= 24
    assert sum(LONG in line for line in lines) >= 4
    assert f"from {'u' * 255}" in lines[3]


def test_an_order_with_one_attempt_is_shown_whole(tmp_path: Path) -> None:
    terminal = ShortTerminal(tmp_path)
    terminal.set(PAYMENT_URL="http://127.0.0.1:9")
    terminal.place(key=KEY)
    lines = shown(terminal)
    assert len(lines) <= 23
    assert lines[-1].split()[:2] == ["1", "producer"]
