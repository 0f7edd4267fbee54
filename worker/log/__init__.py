"""What a worker process logs: the format of every line, the backlog's lines, and one line for each order.

Only `breakwall.worker` imports from it.
"""
