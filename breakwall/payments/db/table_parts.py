"""What the modules of tables share: the metadata, and the parts of a table that are the same everywhere."""

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ColumnElement, Index, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# The ``info`` of a column that the newest revision adds to an existing table. Statements leave the column out while the
# database does not have it (`revisions.missing_columns`). The version after removes the mark.
NEWEST = {"newest": True}

LONG_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself for this type alone.


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """The column has one of the values, or is empty."""
    known = ", ".join(repr(value.value) for value in values)
    return CheckConstraint(f"{column} IN ({known})", name=f"{column}_is_known")


def partial_index(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> None:
    """An index of the rows for which the condition holds."""
    Index(name, *columns, postgresql_where=where, sqlite_where=where)
