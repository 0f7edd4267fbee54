"""What SQLite needs of a process that keeps a file open: the file may be taken away, and the process may fork.

For the orders database and for the SQL store of the breaker.
"""
