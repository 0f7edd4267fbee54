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
    # For any other error Celery would print a traceback.
    if is_log_json():
        write_event("breakwall.worker", str(error))
    else:
        print(error, file=sys.stderr)  # noqa: T201 - logging is not set up yet
    raise SystemExit(2) from None
