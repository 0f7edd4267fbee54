"""A trigger's function on PostgreSQL. In any session it writes to the same table.

It runs with the rights of who made it, not with the caller's: a role that may change an order may have no right to the
table that the trigger writes to. So it must not look for that table where the caller says: neither in the schemas of
the caller's `search_path`, nor among the caller's temporary tables, which PostgreSQL searches first unless told
otherwise. And nobody else may call it: a trigger of theirs would write there what they like. (PostgreSQL lets a trigger
that exists call its function, whoever changes the row.)
"""


def replace_function(name: str, write: str) -> tuple[str, ...]:
    """The statements that make the function, or make it anew for the triggers that use it.

    ``write`` is its only statement. They belong in one transaction; the table ``orders`` must exist.
    """
    home = "SELECT relnamespace::regnamespace::text FROM pg_catalog.pg_class WHERE oid = 'orders'::regclass"
    path = f"'ALTER FUNCTION {name}() SET search_path TO ' || ({home}) || ', pg_temp'"
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        f"$$ BEGIN {write} RETURN NULL; END $$",
        f"DO $$ BEGIN EXECUTE {path}; END $$",
        f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC",
    )
