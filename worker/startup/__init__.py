"""How a worker starts: its command-line options and the steps that Celery runs at its start and end.

`breakwall.worker.app` and `breakwall.cli.worker` import from it.
"""
