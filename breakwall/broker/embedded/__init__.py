"""The default broker: a Valkey server that is a worker's child process.

Import `EmbeddedBroker` and `start_embedded_broker` from `embedded.broker`.
"""
