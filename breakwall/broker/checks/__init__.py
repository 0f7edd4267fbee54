"""What `doctor` and a starting worker ask the broker; nothing is written by asking.

Import `check_queue`, `check_writing` and `dead_letter_reasons` from `breakwall.broker`.
"""
