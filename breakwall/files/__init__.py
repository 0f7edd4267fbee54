"""Files as people have them: bytes become lines, lines become records of named fields, with line numbers.

CSV with any common separator, JSON arrays and JSON Lines, also within gzip. Knows no order and no report.
"""
