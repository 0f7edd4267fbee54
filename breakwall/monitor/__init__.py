"""One snapshot of the backlog, the circuit and the workers, with alarms. It only reads, except that a worker
stores its count of a long backlog.

May import payments, broker, breaker and wiring. Import from `monitor.backlog` and `monitor.alarms`.
"""
