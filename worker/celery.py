"""Where `celery -A worker` finds the app; the settings are read from the environment here."""

import sys

from breakwall.settings import SettingsError, load_settings
from breakwall.terminal.logs import is_log_json, write_event
from breakwall.worker.app import create_app
from breakwall.worker.celery_command_line import SurroundingsError, settle_in

try:
    settle_in()
    app = create_app(load_settings())
except (SettingsError, SurroundingsError) as error:
    # Celery would print a traceback for anything but an exit.
    if is_log_json():
        write_event("breakwall.worker", str(error))
    else:
        print(error, file=sys.stderr)  # noqa: T201 - there is no logging yet, nor a command line of ours
    raise SystemExit(2) from None
