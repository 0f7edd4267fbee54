"""What `queue pause`, `resume` and `rate` share: access to the drain's control, and how its state is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from breakwall.actors import by_actor
from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import drain_document
from breakwall.terminal.output import field_lines, plain, write_result
from breakwall.terminal.words import moment

if TYPE_CHECKING:
    from breakwall.payments.db.database import Database
    from breakwall.payments.fleet.drain_control import DrainControl, DrainState, Pause
    from breakwall.settings import Settings
    from breakwall.terminal.options import Format


@contextmanager
def drain_control() -> Iterator[tuple[Database, DrainControl, Settings]]:
    """The orders database, the drain's control in it, and the settings."""
    from breakwall.payments.fleet.drain_control import DrainControl

    with orders_database() as (database, settings):
        yield database, DrainControl(database), settings


def write_state(output: Format, state: DrainState, *sentences: str) -> None:
    """Write the state after a change: as JSON, or the sentences and the state as text."""
    write_result(output, drain_document(state), *sentences, *field_lines(_fields(state)))


def paused_by(pause: Pause) -> str:
    """Who has paused the drain, since when, until when, and why; safe for Rich markup."""
    since = "" if pause.at is None else f" since {moment(pause.at)}"
    until = "" if pause.until is None else f", until {moment(pause.until)}"
    why = "" if pause.reason is None else f": {plain(pause.reason)}"
    return f"{by_actor(plain(pause.actor))}{since}{until}{why}".lstrip(" ,:") or "yes"


def _fields(state: DrainState) -> dict[str, str]:
    rate = state.rate
    limited = "no limit"
    if rate is not None:
        why = "" if rate.reason is None else f": {plain(rate.reason)}"
        limited = f"{rate.per_second:,.12g} orders a second,{by_actor(plain(rate.actor))} since {moment(rate.at)}{why}"
    return {"paused": "no" if state.paused is None else paused_by(state.paused), "rate": limited}
