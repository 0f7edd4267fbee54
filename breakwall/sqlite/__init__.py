"""What a process needs that keeps a SQLite file open: the file may be removed, and the process may fork.

For the orders database and the SQL store of the breaker: import `file`, `fork` and `write_ahead`.
"""
