"""Delivers the outcomes of orders to the shop: a webhook, a Celery task or a Python callable. It never charges.

`delivering.Delivering.run_once` moves events through the tables of `outbox`, a batch in each round; a destination makes
one call with one event. To add a way, write a `destination.Destination`. Other folders import the destinations,
`channel`, `delivering` and `operator`.
"""
