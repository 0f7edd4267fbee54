"""What the settings allow, the parts that are made from them take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from breakwall.settings import BreakerSettings, load_settings
from breakwall.wiring import open_breaker

BOUNDS = {"gt": 1e-9, "ge": 0, "lt": -1e-9, "le": 0}


def extremes() -> Iterator[tuple[str, str]]:
    """Each setting of the breaker with the least and with the greatest value that it may have."""
    for name, field in BreakerSettings.model_fields.items():
        for value in bounds(field):
            yield name.upper(), f"{value:.9g}"


def bounds(field: FieldInfo) -> Iterator[float]:
    for limit in field.metadata:
        for kind, inwards in BOUNDS.items():
            if hasattr(limit, kind):
                yield getattr(limit, kind) + inwards


@pytest.mark.parametrize(("name", "value"), list(extremes()))
def test_a_circuit_can_be_made_with_every_value_that_the_settings_allow(
    tmp_path: Path, name: str, value: str
) -> None:
    chosen = {f"BREAKWALL_BREAKER__{name}": value, "BREAKWALL_BREAKER_STORE_URL": "memory://"}
    open_breaker(load_settings({**chosen, "BREAKWALL_DATA_DIR": str(tmp_path)})).close()
