"""Runs the scripts on the connection that `breakwall.payments.db.migrate` passes."""

from typing import Any

from alembic import context

from breakwall.payments.db.schema import metadata


def commit_revision(*, ctx: Any, **_: Any) -> None:
    """Commit the number of a revision that works in steps."""
    steps = context.config.attributes.get("steps")
    if steps is not None and not steps.new:
        ctx.connection.commit()


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    on_version_apply=commit_revision,  # type: ignore[arg-type]
)
context.run_migrations()
