"""What every test may rely on, however and by whomever the tests are started."""

from __future__ import annotations

import locale
import os
import signal
from contextlib import suppress

UTF_8 = ("C.UTF-8", "en_US.UTF-8")

FOREIGN = ("BREAKWALL_", "CELERY_")
"""Variables of a developer's own site; those of Python's own encodings are `ENCODINGS`."""

ENCODINGS = ("LC_ALL", "LC_CTYPE", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONIOENCODING")


def prepare() -> None:
    """Give this process, and so all that it starts, the surroundings of a shell in the foreground."""
    _be_interruptible()
    os.umask(0o022)
    for name in [name for name in os.environ if name.startswith(FOREIGN) or name in ENCODINGS]:
        del os.environ[name]
    for name in UTF_8:
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            os.environ["LC_ALL"] = name
            return


def _be_interruptible() -> None:
    """A shell starts the background jobs of a script with these ignored, and whoever is started by such a job
    inherits that. A handler is inherited by nobody: a child has the defaults again.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
