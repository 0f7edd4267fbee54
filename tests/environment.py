"""The environment that every test can rely on, however the tests are started."""

import locale
import os
import signal
from contextlib import suppress

UTF_8 = ("C.UTF-8", "en_US.UTF-8")

DEVELOPERS = ("BREAKWALL_", "CELERY_")  # The beginnings of the variables of a developer's own site.

ENCODINGS = ("LC_ALL", "LC_CTYPE", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONIOENCODING")


def prepare() -> None:
    """Give this process and its children the environment of a program in a shell's foreground."""
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
    """Undo what a shell does for a script's background jobs: they and their children ignore these signals.

    A handler, other than SIG_IGN, is not inherited: a child has the defaults again.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
