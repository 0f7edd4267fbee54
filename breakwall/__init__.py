"""Breakwall charges orders through a circuit breaker; orders wait in a queue. See `docs/architecture.md`."""

# Imported first: it remembers what gevent had patched before.
from breakwall.host import concurrency as concurrency

__version__ = "0.1.0"
