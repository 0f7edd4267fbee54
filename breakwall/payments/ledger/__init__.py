"""Every change of an order that a program makes, each in one short transaction, and the queries that read orders.

An order's way: `accept`, `dispatch_queue`, `claim`, `record`, `pruning`. Import `Ledger` from `ledger`, other classes
and the queries from the modules of their names.
"""
