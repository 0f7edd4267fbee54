"""The fleet in the database: the heartbeats of the workers, and the messages that they set aside.

For the worker, the monitor and the doctor.
"""
