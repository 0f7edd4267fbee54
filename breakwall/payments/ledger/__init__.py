"""Every change of an order that a program makes, each in one short transaction, and the queries that read orders.

An order goes through `accept`, `dispatch_queue`, `claiming`, `record` and `pruning`. Import `Ledger` from `ledger`,
everything else from the module of its name.
"""
