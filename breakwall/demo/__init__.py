"""`breakwall demo`: real processes survive an outage of the payment service, in under a minute.

It starts the commands that a user would start and observes them from outside. Only `breakwall.cli` imports it, and
there `breakwall.demo.options` and `breakwall.demo.run`.
"""
