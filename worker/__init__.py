"""Drains the queue: the Celery app, its retry task and the dispatcher of due orders.

May import `breakwall`, never `producers`. `celery -A worker worker` starts one.
"""
