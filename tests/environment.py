"""The environment that every test can rely on, however the tests are started."""

import locale
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

UTF_8 = ("C.UTF-8", "en_US.UTF-8")

DEVELOPERS = ("BREAKWALL_", "CELERY_")  # The beginnings of the variables of a developer's own site.

MEMORY = Path("/dev/shm")

ENOUGH = 4_000_000_000  # Bytes: twice what a run of all tests leaves there.

ENCODINGS = ("LC_ALL", "LC_CTYPE", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONIOENCODING")


def prepare() -> None:
    """Give this process and its children the environment of a program in a shell's foreground."""
    _be_interruptible()
    _keep_files_in_memory()
    os.umask(0o022)
    for name in [name for name in os.environ if name.startswith(DEVELOPERS) or name in ENCODINGS]:
        del os.environ[name]
    for name in UTF_8:
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, name)
            os.environ["LC_ALL"] = name
            return


def _keep_files_in_memory() -> None:
    """Put temporary files into memory, if there is room for them and nobody has chosen a folder.

    Thousands of tests commit to a file of SQLite, and a disk needs milliseconds for each commit. What those are for,
    the death of the machine, happens in no test.
    """
    if "TMPDIR" not in os.environ and _has_room(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    runs_programs = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return runs_programs and shutil.disk_usage(folder).free > ENOUGH


def _be_interruptible() -> None:
    """Undo what a shell does for a script's background jobs: they and their children ignore these signals.

    A handler, other than SIG_IGN, is not inherited: a child has the defaults again.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
