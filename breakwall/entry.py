"""Where the `breakwall` command begins: what goes wrong before there is a command line is a sentence, too."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line and run it."""
    try:
        from breakwall.cli.app import main as run
    except KeyboardInterrupt:
        sys.exit("Aborted!")
    except (OSError, MemoryError) as error:  # no descriptor or no memory for our own files
        sys.exit(f"Error: breakwall cannot be loaded: {error or 'this process has no memory left'}")
    run()
