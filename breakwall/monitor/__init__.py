"""The backlog as an operator sees it: one snapshot that the command line, metrics and page all show.

May import payments, broker and breaker; only reads, but for `overriding`, an operator's word to the fleet.
Import `Monitor` and `Backlog` from `monitor.backlog`.
"""
