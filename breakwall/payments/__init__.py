"""Orders, attempts and the gateways that charge. Only `ledger` and `operator` change an order.

May import `breakwall.breaker` and `breakwall.migrations`, never the broker, the producers or the worker.
"""
