"""Checks of the broker, for `doctor` and a starting worker. They store no message.

Import `check_queue`, `check_writing` and `dead_letter_reasons` from `checks.run`.
"""
