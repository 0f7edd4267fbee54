"""What producers and workers share. Of the rest only `cli`, `demo`, `up` and `doctor` import those."""

# Imported first: it remembers what gevent had patched before.
from breakwall.host import concurrency as concurrency

__version__ = "0.1.0"
