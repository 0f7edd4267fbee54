"""Reads people's files: bytes become text (`source`), lines (`lines`), then records of named fields (`records`).

CSV with any common separator, JSON arrays and JSON Lines, also compressed with gzip. Import `Records`, `Columns`,
`Units` and `UnreadableFileError` from their modules. This package knows no order and no report.
"""
