"""What a worker does beside the orders, in threads of its own: dispatch loop, heartbeat, pruning, strange messages.

Only `breakwall.worker` imports from it.
"""
