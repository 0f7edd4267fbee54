"""Accepts orders: charges through the breaker, queues what cannot be charged now.

May import `breakwall`, never `worker`.
"""
