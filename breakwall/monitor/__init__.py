"""The backlog as an operator sees it: one snapshot that the command line, metrics and page all show.

May import payments, broker and breaker; only reads. Import `Monitor` and `Backlog` from `monitor.backlog`.
"""
