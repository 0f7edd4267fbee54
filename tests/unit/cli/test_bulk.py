"""What commands on many orders share."""

from __future__ import annotations

import pytest
import typer

from breakwall.cli.bulk import check_attended, check_bulk_reason, summarised
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.operator.locking import RefusedError


def test_a_bulk_action_needs_a_reason() -> None:
    check_bulk_reason("moved")
    with pytest.raises(typer.BadParameter):
        check_bulk_reason(None)


@pytest.mark.parametrize("attended", [True, False])
def test_a_question_needs_a_person(attended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: attended)
    if attended:
        check_attended("this changes it")
    else:
        with pytest.raises(
            RefusedError, match="this changes it, and there is no terminal to ask on: check with"
        ):
            check_attended("this changes it")


def test_finished_work_is_summarised_as_finished() -> None:
    shown: list[bool] = []
    with summarised(shown.append):
        pass
    assert shown == [True]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), DatabaseUnavailableError("is down")])
def test_stopped_work_is_summarised_before_its_error_goes_on(stop: BaseException) -> None:
    shown: list[bool] = []
    with pytest.raises(type(stop)), summarised(shown.append):
        raise stop
    assert shown == [False]
