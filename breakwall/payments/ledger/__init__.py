"""Every change of an order's state, each in one short transaction, and the queries that read orders.

Import `Ledger` from `ledger`, `DispatchQueue` from `dispatch_queue`, the queries from `queries`.
"""
