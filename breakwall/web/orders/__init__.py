"""Orders over HTTP: placing them, one or many, reading them, and what an operator does with one.

`routes` puts the parts together. May import everything that `web` may.
"""
