"""Bulk retries: rows with the orders that matched when each was made, worked off by one process at a time.

`selection` says which orders, `preview` counts them, `record` makes, reads and aborts a bulk retry, `freezing` writes
down its orders, `batch` retries them, and `runner` does both for the oldest one, at its rate.
"""
