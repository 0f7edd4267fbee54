"""The groups of settings, whose variables have a name of two parts: ``BREAKWALL_RETRY__CAP``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from breakwall.settings.values import UNSET

PREFIX = "BREAKWALL_"

DAY = 86_400  # Seconds.


class SettingsSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class BreakerSettings(SettingsSection):
    """When the payment service's circuit opens and how it closes again. Times are seconds.

    Within the bounds of `breakwall.breaker.CircuitBreakerConfig`.
    """

    failure_threshold: int = Field(3, ge=1, le=10_000)
    failure_rate: float = Field(0.5, gt=0, le=1)
    window: float = Field(60.0, ge=0.02, le=3600)
    recovery_timeout: float = Field(30.0, gt=0, le=86_400)
    half_open_max_calls: int = Field(3, ge=1, le=1000)
    first_contact: float = Field(1.0, gt=0, le=60)


class RetrySettings(SettingsSection):
    """The worker's backoff: full jitter below ``min(cap, base * 2**n)``. Times are seconds."""

    base: float = Field(1.0, gt=0, le=3600)
    cap: float = Field(600.0, gt=0, le=86_400)
    max_attempts: int = Field(30, ge=1, le=10_000)


class DispatchSettings(SettingsSection):
    """The worker's loop that publishes due orders. Times are seconds.

    ``interval``: pause between two looks. ``batch``: orders published in one look. ``window``: above this
    many waiting messages nothing more is published. ``republish_after``: a message that no worker has
    worked on for so long is taken for lost.
    """

    interval: float = Field(1.0, gt=0, le=60)
    batch: int = Field(200, ge=1, le=10_000)
    window: int = Field(1000, ge=1, le=1_000_000)
    republish_after: float = Field(60.0, gt=0, le=86_400)


class LogSettings(SettingsSection):
    """How the worker's log looks; a shop's own processes set their logging up themselves."""

    format: Literal["auto", "json", "text"] = "auto"


class RetentionSettings(SettingsSection):
    """For how long finished orders are kept, and their keys. Times are days; without ``days`` all stays."""

    days: Annotated[Annotated[int, Field(ge=1, le=36_500)] | None, UNSET] = None
    # A year and a month: what a shop renews or bills once a year, it may well place again under last year's key.
    keys_days: int = Field(400, ge=1, le=36_500, validate_default=True)

    @field_validator("keys_days")
    @classmethod
    def _longer_than_the_orders(cls, value: int, info: ValidationInfo) -> int:
        days = info.data.get("days")
        if days is not None and value < days:
            raise ValueError(f"should be at least as long as {PREFIX}RETENTION__DAYS: {days}")
        return value
