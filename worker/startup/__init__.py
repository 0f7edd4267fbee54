"""How a worker starts: its command-line options and the steps that Celery runs at its start and end.

`worker.app`, `worker.celery` and the command `breakwall worker` import from it.
"""
