"""The fleet in the database: the heartbeats of the workers, and the strange messages that they set aside.

The worker, the monitor, the doctor and the commands may import its two modules.
"""
