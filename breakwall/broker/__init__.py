"""The message broker: how Celery is configured for it, publishing within bounds, depth, and the embedded one.

Messages carry an order's id and nothing else; imports neither payments nor breaker.
"""
