"""A worker's side of the broker: Celery's consumer, made to outlive its broker and other programs' messages.

Celery loads these modules by the names in `broker.config`; `worker.app` imports the watchdog.
"""
