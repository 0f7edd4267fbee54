"""Connections to the broker with a timeout on every wait, for publishing, counting and checking.

For `breakwall.broker` only: `factory.new_connection` makes one.
"""
