"""What the order side and the retry side share.

Imports neither `producers` nor `worker` (only `breakwall.cli`, at the top, has commands for them).
"""

# Before all else of ours: it remembers how the process was when we came.
from breakwall.host import concurrency as concurrency

__version__ = "0.1.0"
