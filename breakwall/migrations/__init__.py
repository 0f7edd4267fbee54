"""Alembic's scripts for the orders database; `breakwall db upgrade` runs them.

Import `HEAD` from here, nothing else.
"""

HEAD = "0005"  # The newest revision; a test holds it to the scripts.
