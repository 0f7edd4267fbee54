"""`.env`, where settings are in development.

No value in it is told, and no line of ours is passed over: a line that cannot be read would leave its setting at the
default, and orders would be accepted into another database.
"""

import stat
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from breakwall.settings.errors import SettingsError


def read_dotenv(path: Path, prefix: str) -> dict[str, str]:
    """The variables in the file; none where there is no file.

    Raises:
        SettingsError: it is not text, or a line with a variable that begins with ``prefix`` cannot be read. It names
            the file, or the line, and what would be right.
    """
    bindings = list(parse_stream(StringIO(_text(path))))
    for one in bindings:
        if one.error and prefix in one.original.string:
            line = f"{path}: line {one.original.line}"
            problem = (
                "cannot be read: NAME=value would be right, and a value that begins with a quote ends with it"
            )
            raise SettingsError([f"{line} {problem}"])
    # Other programs' lines that cannot be read are not ours to report; python-dotenv would warn of them each time.
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
        raise SettingsError([f"{path}: should be UTF-8 text"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror or type(error).__name__}"]) from None
