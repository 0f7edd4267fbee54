"""The functions of the triggers write to the tables beside `orders`, with the rights of who made the functions.

The function of revision 0007 had the caller's rights and `search_path`, so a caller could make it write an outcome to
another table, or fail. That of revision 0008 looked among the caller's temporary tables first. No table changes.
SQLite has no such functions.
"""

import sqlalchemy as sa
from alembic import context, op

from breakwall.payments.db.end_trigger import REPLACE_END_FUNCTION
from breakwall.payments.db.outcome_trigger import REPLACE_OUTCOME_FUNCTION

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # The triggers stay, so no writer of an order waits.
        context.config.attributes["steps"].run_short(_replace_functions, "orders")


def downgrade() -> None:
    """The versions before work with these functions, so they stay."""


def _replace_functions(connection: sa.Connection) -> None:
    for statement in (*REPLACE_OUTCOME_FUNCTION, *REPLACE_END_FUNCTION):
        connection.exec_driver_sql(statement)
