"""The broker of the default installation: a Valkey server that is a child of a worker or of `up`.

Import `EmbeddedBroker` and `start_embedded_broker` from `breakwall.broker`.
"""
