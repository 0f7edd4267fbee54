"""Tests the tests: removes one guarantee at a time and expects the tests that are named with it to fail.

`make mutants` runs all of them, `python -m tests.mutants NAME…` some. Each is tried in a copy of the tree.
"""
