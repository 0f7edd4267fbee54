"""Where the `breakwall` command begins. A failure to load the command line is a sentence, not a traceback."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line and run it."""
    try:
        from breakwall.cli.app import main as run
    except KeyboardInterrupt:
        sys.exit("Aborted!")
    except (OSError, MemoryError) as error:  # no descriptor or no memory for our own files
        sys.exit(f"Error: breakwall cannot be loaded: {str(error) or 'this process has no memory left'}")
    run()
