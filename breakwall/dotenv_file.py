"""`.env`, where settings are in development: read so that nothing of it is told, and no line of ours is passed over.

A line that cannot be read would leave its setting at the default: orders would be accepted into another database.
"""

from __future__ import annotations

import stat
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream


class DotenvError(ValueError):
    """The file cannot be read; the text names it, or its line, and what would be right, and repeats none of it."""


def read_dotenv(path: Path, prefix: str) -> dict[str, str]:
    """The variables in the file; none where there is no file.

    Raises:
        DotenvError: it is not text, or a line that names a variable which begins with ``prefix`` says nothing.
    """
    bindings = list(parse_stream(StringIO(_text(path))))
    for one in bindings:
        if one.error and prefix in one.original.string:
            raise DotenvError(
                f"{path}: line {one.original.line} cannot be read: NAME=value would be right, and a value that begins "
                "with a quote ends with it"
            )
    # Others' lines that cannot be read are others' to mend; python-dotenv would warn of them each time.
    readable = "".join(one.original.string for one in bindings if not one.error)
    found = dotenv_values(stream=StringIO(readable))
    return {name: value for name, value in found.items() if value is not None}


def _text(path: Path) -> str:
    try:
        kind = path.stat().st_mode
        return path.read_text(encoding="utf-8") if stat.S_ISREG(kind) or stat.S_ISFIFO(kind) else ""
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise DotenvError(f"{path}: should be UTF-8 text") from None
    except OSError as error:
        raise DotenvError(f"{path}: cannot be read: {error.strerror or type(error).__name__}") from None
