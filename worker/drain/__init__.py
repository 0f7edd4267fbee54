"""Works on many orders at once: results in and claims out, in one transaction.

`drain.Drain` takes ids from the consumer. `exchange.Exchange` runs in one thread of the process and alone talks to the
database; `slot.Slot` runs in as many threads as payments may run at once, and only calls the payment service.
Only `breakwall.worker` imports from it.
"""
