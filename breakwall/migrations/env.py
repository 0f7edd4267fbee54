"""Runs the scripts on the connection that `breakwall.payments.migrate.upgrade` hands over."""

from alembic import context

from breakwall.payments.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
context.run_migrations()
