"""A worker's side of the broker: a Celery consumer that survives broker outages and strange messages.

Celery loads these modules by the names in `broker.config`; `worker.app` imports the watchdog.
"""
