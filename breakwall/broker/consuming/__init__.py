"""A worker's side of the broker: the consumer, the channels that it reads, what it says of outages, remote control.

Celery loads these by the names in `broker.config`; nothing else imports them but `worker.app`.
"""
