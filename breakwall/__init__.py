"""What the order side and the retry side share.

Imports neither `producers` nor `worker` (only `breakwall.cli`, at the top, mounts their commands).
"""

# Before all else of ours: it remembers how the process was when we came.
from breakwall import hosts as hosts

__version__ = "0.1.0"
