"""Every change of an order's state, each one short transaction; and reading orders.

Import `Ledger` from `ledger`, the queries from `queries`.
"""
