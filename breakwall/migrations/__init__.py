"""Alembic's scripts for the orders database; `breakwall db upgrade` runs them.

Import `HEAD` from here, nothing else. A new revision also needs:

1. its number in `HEAD`. `BEFORE` and `AFTER` in `payments.db.revisions` follow; `TOLERANT` stays;
2. the same change in `payments.db.schema`. ``info=NEWEST`` marks its columns in existing tables, and the mark goes from
   the columns of the revision before. Code asks `revisions.has_table` before it uses a new table;
3. steps that may be done twice, in ``upgrade``, and a ``downgrade``: see `payments.db.migration_steps`. Revision 0003
   adds columns to an existing table;
4. what its ``downgrade`` loses, and refuses to lose, in `payments.operator.downgrade`: `_DROPPED`, `Losses`, `_losses`.
   It takes the place of what the revision before lost; `cli/db.py` and `docs/operations.md` say it to people;
5. in `tests/contract/payments`: tests of what it makes or drops, in place of those of the revision before
   (`db/test_revisions.py`, `operator/test_downgrade.py`); if it changes rows, a test in
   `tests/contract/migrations/versions`;
6. CHANGELOG.md, and CONTRIBUTING.md's rules: the version before works on the new tables, this one on the old.
"""

HEAD = "0005"  # The newest revision; a test compares it with the scripts.
