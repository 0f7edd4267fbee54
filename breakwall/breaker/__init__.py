"""The circuit breaker, a library of its own: knows no payment, no Celery, and imports nothing of the rest.
"""
