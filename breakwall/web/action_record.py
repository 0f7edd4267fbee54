"""The audit row of an action on a circuit: written before the action, and completed with its end."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, insert, update

from breakwall.breaker import StoreLostError
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.operator_tables import ActionResult, operator_actions
from breakwall.payments.db.revisions import has_table
from breakwall.payments.interventions import Author
from breakwall.web.services import Services


@contextmanager
def recorded(
    services: Services, action: str, subject: str, author: Author, detail: str | None
) -> Iterator[None]:
    """Record that ``author`` does ``action`` to ``subject`` in the block. A row without a result: nobody saw the end.

    Raises `DatabaseUnavailableError` before the block: an action that cannot be recorded is not done.
    """
    columns = {"action": action, "subject": subject, "actor": author.actor, "reason": author.reason}

    def begin(connection: Connection) -> int | None:
        if not has_table(connection, operator_actions.name):
            return None
        row = {**columns, "detail": detail, "at": services.clock.after(0)}
        made = connection.execute(insert(operator_actions).values(row).returning(operator_actions.c.id))
        number: int = made.scalar_one()
        return number

    id_ = services.database.write(begin, name="operator_action")
    result = ActionResult.REFUSED
    try:
        yield
        result = ActionResult.DONE
    except StoreLostError:
        result = ActionResult.UNCONFIRMED
        raise
    finally:
        _end(services, id_, result)


def _end(services: Services, number: int | None, result: ActionResult) -> None:
    if number is not None:
        ended = update(operator_actions).where(operator_actions.c.id == number).values(result=result)
        with suppress(DatabaseUnavailableError):  # The action has ended, whether that can be recorded or not.
            services.database.write(lambda connection: connection.execute(ended), name="operator_action")
