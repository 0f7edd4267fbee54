"""A message is handed to the broker within a bound of time, whatever the broker does.

Import `Publisher` from `breakwall.broker`.
"""
