"""Benchmarks. `python -m bench` runs the scenarios beside peers; the other programs here measure one thing each."""
