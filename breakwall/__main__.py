"""`python -m breakwall` is the `breakwall` command."""

import sys
from pathlib import Path

# `-m` puts the working folder first on the path, and a shop may have a `celery.py` or `redis.py` in it.
if not sys.flags.safe_path and not (Path(sys.path[0]) / "breakwall" / "__main__.py").is_file():
    del sys.path[0]

from breakwall.entry import main

main()
