"""The environment that every test may rely on, however the tests are started."""

from __future__ import annotations

import locale
import os
import signal
from contextlib import suppress

UTF_8 = ("C.UTF-8", "en_US.UTF-8")

DEVELOPERS = ("BREAKWALL_", "CELERY_")
"""Variables of a developer's own site; those of Python's own encodings are `ENCODINGS`."""

ENCODINGS = ("LC_ALL", "LC_CTYPE", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONIOENCODING")


def prepare() -> None:
    """Give this process, and so all that it starts, the environment of a program in a shell's foreground."""
    _be_interruptible()
    os.umask(0o022)
    for name in [name for name in os.environ if name.startswith(DEVELOPERS) or name in ENCODINGS]:
        del os.environ[name]
    for name in UTF_8:
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            os.environ["LC_ALL"] = name
            return


def _be_interruptible() -> None:
    """A shell starts a script's background jobs with these signals ignored, and their children inherit that.
    A handler is not inherited: a child has the defaults again.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
