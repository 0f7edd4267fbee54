"""The tests, tested: takes out one guarantee at a time and expects the tests named with it to turn red.

`make mutants` runs all of them, `python -m tests.mutants NAME…` some. Each is tried in a copy of the tree.
"""
