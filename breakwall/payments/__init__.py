"""Orders, attempts and the gateways that charge. The ledger changes states; nothing else does.

May import `breakwall.breaker`, never the broker, the producers or the worker.
"""
