"""Alembic's scripts for the orders database; `breakwall db upgrade` runs them.

Import `HEAD` from here, nothing else. `docs/extending.md` lists what a new revision needs.
"""

HEAD = "0009"  # The newest revision; a test compares it with the scripts.
