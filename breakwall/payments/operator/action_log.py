"""Records what a person does to anything but an order and the drain, which have records of their own.

The record is committed before the action, so that no action is without one: if the orders database does not answer,
nothing is done. How it went is written afterwards.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from sqlalchemy import Connection, insert, update

from breakwall.actors import A_PERSON, name_or
from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.operator_tables import ActionResult, operator_actions
from breakwall.payments.db.revisions import has_table
from breakwall.payments.interventions import Author

logger = logging.getLogger("breakwall.audit")

# The transactions' name. They are no crash points, because they change no order.
RECORDING = "record_action"

# Errors with these exit codes say that nothing was changed.
_UNCHANGED = {ExitCode.USAGE, ExitCode.NOT_FOUND, ExitCode.REFUSED}


class OperatorAction(StrEnum):
    """What a person did: the column ``operator_actions.action``. Public: the names stay."""

    BREAKER_FORCE_OPEN = "breaker_force_open"
    BREAKER_FORCE_CLOSE = "breaker_force_close"
    BREAKER_OBSERVE = "breaker_observe"
    BREAKER_AUTO = "breaker_auto"
    BREAKER_PROBE = "breaker_probe"
    TOKEN_CREATE = "token_create"  # noqa: S105 - no token
    TOKEN_REVOKE = "token_revoke"  # noqa: S105
    TOKEN_SIGN_IN = "token_sign_in"  # noqa: S105
    OUTCOMES_REDELIVER = "outcomes_redeliver"
    OUTCOMES_ENABLE = "outcomes_enable"
    OUTCOMES_FORGET = "outcomes_forget"
    DATABASE_PRUNE = "database_prune"
    DATABASE_DOWNGRADE = "database_downgrade"


@contextmanager
def recorded(
    database: Database,
    author: Author,
    action: OperatorAction,
    subject: str | None = None,
    detail: str | None = None,
    *,
    clock: Clock = DATABASE_CLOCK,
) -> Iterator[None]:
    """Record an action, do it in the ``with`` block, and record how it went.

    ``subject``: what it is done to, such as the name of a circuit. ``detail``: a few words, such as for how long. An
    error in the block is raised again, and recorded: as refused if its exit code says that nothing was changed, else
    as unconfirmed. Raises `DatabaseUnavailableError` before the block if the action cannot be recorded.
    """
    number = database.write(
        lambda connection: _begin(connection, clock, author, action, subject, detail), name=RECORDING
    )
    try:
        yield
    except BaseException as error:
        _finish(database, number, _result_of(error))
        raise
    _finish(database, number, ActionResult.DONE)


def _begin(
    connection: Connection,
    clock: Clock,
    author: Author,
    action: OperatorAction,
    subject: str | None,
    detail: str | None,
) -> int | None:
    """The record's number; None before revision 0008, which brings the table."""
    if not has_table(connection, operator_actions.name):
        who = name_or(A_PERSON, author.actor)
        logger.warning("%s by %s is not recorded before `breakwall db upgrade`", action, who)
        return None
    made = {"at": clock.after(0), "action": action, "subject": subject, "detail": detail}
    row = insert(operator_actions).values(**made, actor=author.actor, reason=author.reason)
    number: int = connection.execute(row.returning(operator_actions.c.id)).scalar_one()
    return number


def _finish(database: Database, number: int | None, result: ActionResult) -> None:
    """A lost result is no reason to report the action as failed: the record says that its result is not known."""
    if number is None:
        return
    row = update(operator_actions).where(operator_actions.c.id == number).values(result=result)

    def work(connection: Connection) -> None:
        if has_table(connection, operator_actions.name):  # Unless the action was the downgrade.
            connection.execute(row)

    try:
        database.write(work, name=RECORDING)
    except DatabaseUnavailableError as error:
        logger.warning("how action %s went could not be recorded: %s", number, error)


def _result_of(error: BaseException) -> ActionResult:
    unchanged = isinstance(error, ValueError) or (
        isinstance(error, BreakwallError) and error.exit_code in _UNCHANGED
    )
    return ActionResult.REFUSED if unchanged else ActionResult.UNCONFIRMED
