"""Settings: every environment variable that configures Breakwall, checked when it is read.

`load_settings` reads the environment, and `load_producer_settings` does for a shop that only sells. Both report all bad
variables at once and never repeat a value, because values hold passwords. Import the names below.
"""

from breakwall.settings.errors import SettingsError
from breakwall.settings.load import load_producer_settings, load_settings, setting_names
from breakwall.settings.model import Settings
from breakwall.settings.sections import (
    DAY,
    PREFIX,
    WAYS,
    ApiSettings,
    BreakerSettings,
    DispatchSettings,
    LogSettings,
    OutcomeSettings,
    PlaceSettings,
    RetentionSettings,
    RetrySettings,
)

__all__ = [
    "DAY",
    "PREFIX",
    "WAYS",
    "ApiSettings",
    "BreakerSettings",
    "DispatchSettings",
    "LogSettings",
    "OutcomeSettings",
    "PlaceSettings",
    "RetentionSettings",
    "RetrySettings",
    "Settings",
    "SettingsError",
    "load_producer_settings",
    "load_settings",
    "setting_names",
]
