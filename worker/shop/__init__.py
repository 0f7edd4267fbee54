"""Breakwall inside the Celery app of a shop: its worker drains our queue beside its own tasks.

Nothing of the shop's is changed: the queue has a connection and threads of its own, in the worker's main process.
Outcomes are delivered by webhook or task in a process of their own.
Import `add_to` from `breakwall.worker`; nothing else imports from here.
"""
