"""What the order side and the retry side share.

Imports neither `producers` nor `worker` (only `breakwall.cli`, at the top, mounts their commands).
"""

__version__ = "0.1.0"
