"""One module a scenario: `run` measures it at a size, and returns its rows.

Each has a `FULL`, a `QUICK` and a `SMALL` size; the small one is for the tests.
"""
