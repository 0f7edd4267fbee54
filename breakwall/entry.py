"""The start of the `breakwall` command. If the command line cannot be loaded, this prints a sentence, no traceback."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line and run it."""
    try:
        from breakwall.cli.app import main as run
    except KeyboardInterrupt:
        sys.exit("Aborted!")
    except (OSError, MemoryError) as error:  # no descriptor or memory to load our files
        sys.exit(f"Error: breakwall cannot be loaded: {str(error) or 'this process has no memory left'}")
    run()
