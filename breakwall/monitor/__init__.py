"""The backlog as an operator sees it: one snapshot for the command line, the metrics and the page. Only reads.

May import payments, broker and breaker. Import from `monitor.backlog` and `monitor.alarms`.
"""
