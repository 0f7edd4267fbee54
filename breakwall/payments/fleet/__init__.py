"""The fleet in the database: the workers' heartbeats, the strange messages that they set aside, the drain's control.

The worker, the monitor, the doctor, the commands and `payments.operator` may import its modules.
"""
