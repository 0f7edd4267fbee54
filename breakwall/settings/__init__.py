"""Settings: every environment variable that Breakwall obeys, checked when it is read.

`load_settings` is the edge where the environment is read. It reports every bad variable at once and never repeats a
value: values hold passwords. Import the names below.
"""

from breakwall.settings.errors import SettingsError
from breakwall.settings.load import load_settings, setting_names
from breakwall.settings.model import Settings
from breakwall.settings.sections import (
    DAY,
    PREFIX,
    BreakerSettings,
    DispatchSettings,
    LogSettings,
    RetentionSettings,
    RetrySettings,
)

__all__ = [
    "DAY",
    "PREFIX",
    "BreakerSettings",
    "DispatchSettings",
    "LogSettings",
    "RetentionSettings",
    "RetrySettings",
    "Settings",
    "SettingsError",
    "load_settings",
    "setting_names",
]
