"""Where `celery -A worker` finds the app. Importing it reads the settings from the environment."""

import sys

from breakwall.settings import SettingsError, load_settings
from breakwall.terminal.logs import is_log_json, write_event
from breakwall.worker.app import create_app
from breakwall.worker.startup.celery_command import CeleryCommandError, take_over_celery_command

try:
    take_over_celery_command()
    app = create_app(load_settings())
except (SettingsError, CeleryCommandError) as error:
    # Celery would print a traceback for any error but an exit.
    if is_log_json():
        write_event("breakwall.worker", str(error))
    else:
        print(error, file=sys.stderr)  # noqa: T201 - there is no logging yet, nor a command line of ours
    raise SystemExit(2) from None
