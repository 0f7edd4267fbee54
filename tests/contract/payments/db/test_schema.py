"""The schema is what the migrations build."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import breakwall.migrations
from breakwall.payments.db.database import open_engine
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import metadata


def test_head_is_the_newest_script() -> None:
    scripts = ScriptDirectory(str(Path(breakwall.migrations.__file__).parent))
    assert scripts.get_heads() == [breakwall.migrations.HEAD]


def test_the_scripts_build_exactly_the_tables_of_the_schema(database_url: str) -> None:
    engine = open_engine(database_url)
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []
