"""Incidents can be closed, and the same incident is stored once.

Workers of the version before continue while this runs, and afterwards. It changes nothing that they know and copies
nothing. A trigger drops an incident that they insert a second time.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "0003"
down_revision = "0002"

_MERGE = """
DELETE FROM incidents WHERE EXISTS (
    SELECT 1 FROM incidents AS earlier
    WHERE earlier.order_id = incidents.order_id AND earlier.kind = incidents.kind
    AND earlier.detail = incidents.detail AND earlier.id < incidents.id
)
"""

# The version before inserts without ON CONFLICT. If that failed, it would lose the result that it records.
_KNOWN = "SELECT 1 FROM incidents WHERE order_id = NEW.order_id AND kind = NEW.kind AND detail = NEW.detail"
_IGNORE_KNOWN = {
    "sqlite": [
        f"""
        CREATE TRIGGER incidents_leave_known_out BEFORE INSERT ON incidents WHEN EXISTS ({_KNOWN})
        BEGIN SELECT RAISE(IGNORE); END
        """
    ],
    "postgresql": [
        f"""
        CREATE FUNCTION incidents_leave_known_out() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS ({_KNOWN}) THEN RETURN NULL; END IF;
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER incidents_leave_known_out BEFORE INSERT ON incidents
        FOR EACH ROW EXECUTE PROCEDURE incidents_leave_known_out()
        """,
    ],
}


def upgrade() -> None:
    context.config.attributes["steps"].run_short(_close_incidents, "incidents")


def _close_incidents(connection: sa.Connection) -> None:
    if any(column["name"] == "closed_at" for column in sa.inspect(connection).get_columns("incidents")):
        return  # An interrupted migration has done it, and has not stored the revision.
    # First, because on PostgreSQL it locks writers out from here on: none adds a duplicate to the merged incidents.
    op.add_column("incidents", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("incidents", sa.Column("closed_by", sa.String(length=255), nullable=True))
    op.add_column("incidents", sa.Column("close_reason", sa.Text(), nullable=True))
    op.execute(_MERGE)
    op.create_index(
        "uq_incidents_order_id_kind_detail", "incidents", ["order_id", "kind", "detail"], unique=True
    )
    # The index above begins with the same column.
    op.drop_index("ix_incidents_order_id", table_name="incidents")
    op.create_index(
        "ix_incidents_open",
        "incidents",
        ["at", "id"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
        sqlite_where=sa.text("closed_at IS NULL"),
    )
    for statement in _IGNORE_KNOWN[op.get_bind().dialect.name]:
        op.execute(statement)
