"""Each action of a person is recorded before it is done, and how it went after it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text

from breakwall.breaker import StoreLostError
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.operator_tables import operator_actions
from breakwall.payments.operator.action_log import OperatorAction, recorded
from breakwall.payments.operator.locking import RefusedError
from tests.contract.people import ANNA
from tests.contract.site import Site

FORCE = OperatorAction.BREAKER_FORCE_OPEN


def rows(site: Site) -> list[Any]:
    return list(site.database.read(lambda found: found.execute(select(operator_actions)).all()))


def test_who_what_and_why_are_stored_before_the_action(site: Site) -> None:
    with recorded(site.database, ANNA, FORCE, "payment", "for 10m", clock=site.clock):
        [row] = rows(site)
        assert (row.at, row.action, row.subject) == (site.clock.now, "breaker_force_open", "payment")
        assert (row.actor, row.reason, row.detail) == (ANNA.actor, ANNA.reason, "for 10m")
        assert row.result is None


def test_afterwards_it_is_done(site: Site) -> None:
    with recorded(site.database, ANNA, FORCE, clock=site.clock):
        pass
    assert [row.result for row in rows(site)] == ["done"]


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (RefusedError("not now"), "refused"),
        (ValueError("no such scope"), "refused"),
        (StoreLostError("no answer"), "unconfirmed"),
        (DatabaseUnavailableError("no answer"), "unconfirmed"),
        (KeyboardInterrupt(), "unconfirmed"),
    ],
)
def test_an_error_is_passed_on_and_recorded(site: Site, error: BaseException, result: str) -> None:
    with pytest.raises(type(error)), recorded(site.database, ANNA, FORCE, clock=site.clock):
        raise error
    assert [row.result for row in rows(site)] == [result]


def test_what_cannot_be_recorded_is_not_done(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("it is down")

    done = []
    monkeypatch.setattr(site.database, "write", fail)
    with pytest.raises(DatabaseUnavailableError), recorded(site.database, ANNA, FORCE, clock=site.clock):
        done.append(1)
    assert done == []


def test_a_result_that_cannot_be_recorded_does_not_undo_the_action(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("it is down")

    with recorded(site.database, ANNA, FORCE, clock=site.clock):
        monkeypatch.setattr(site.database, "write", fail)
    assert "could not be recorded" in caplog.text
    assert [row.result for row in rows(site)] == [None]


def test_before_the_table_exists_the_action_is_done_and_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.database.write(lambda connection: connection.execute(text("DROP TABLE operator_actions")))
    done = []
    with recorded(site.database, ANNA, FORCE, clock=site.clock):
        done.append(1)
    assert done == [1]
    assert "breakwall db upgrade" in caplog.text
