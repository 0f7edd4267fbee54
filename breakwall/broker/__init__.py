"""The message broker: Celery's configuration, publishing, queue depth, checks, the embedded broker.

A message holds orders' ids and nothing else. Celery is loaded at the first use, not by an import. Import from the
modules; `celery_app`, `consuming` and `messages` are for the worker.
"""
