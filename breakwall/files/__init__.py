"""Reads people's files: bytes become text (`source`), lines (`lines`), then records of named fields (`records`).

CSV with any common separator, JSON arrays and JSON Lines, also compressed with gzip. Import each name from its
module: `records`, `columns`, `amounts`, `errors`. This package knows no order and no report.
"""
