"""Connections to the broker on which every wait is bounded, for publishing, counting and checking.

Used within `breakwall.broker`: `factory.new_connection` makes one.
"""
