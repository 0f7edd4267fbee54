"""The default broker: a Valkey server that is a worker's child process.

The worker imports `embedded.broker`. Commands read the server's state from `embedded.folder` and `embedded.server`.
"""
