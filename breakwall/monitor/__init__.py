"""One snapshot of the backlog, the circuit and the workers, with alarms. It only reads.

May import payments, broker and breaker. Import from `monitor.backlog` and `monitor.alarms`.
"""
