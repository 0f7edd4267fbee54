"""What a worker does beside the orders, in threads of its own: dispatch loop, heartbeat, pruning,
strange messages, the count of a long backlog, bulk retries. Its history is sampled by `breakwall.monitor.history`.
Outcomes are delivered in a process of their own.

Only `breakwall.worker` imports from it.
"""
