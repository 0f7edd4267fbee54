"""The reported problems of variables."""

from __future__ import annotations

import pytest

from breakwall.settings import SettingsError, load_settings

PASSWORD = "hunter2-hunter2"


def problems(**variables: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings({f"BREAKWALL_{name}": value for name, value in variables.items()})
    return refused.value.problems
