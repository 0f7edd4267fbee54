"""The groups of settings. Their variables have two parts: ``BREAKWALL_RETRY__CAP``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from breakwall.credentials import parse_headers
from breakwall.host.dotted_paths import check_dotted_path
from breakwall.settings.values import UNSET, checked, file, plain_name, secret
from breakwall.urls.brokers import check_broker_url
from breakwall.urls.host_names import parse_host_names, parse_networks
from breakwall.urls.http import check_collector_url, check_webhook_url
from breakwall.webhook_secrets import parse_secrets, read_secrets

PREFIX = "BREAKWALL_"
DAY = 86_400  # Seconds.

# The ways to tell the shop how orders ended, each with the field that turns it on.
WAYS = {"webhook": "webhook_url", "task": "task", "listener": "listener"}


class SettingsSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class BreakerSettings(SettingsSection):
    """The payment service's circuit: the fields of `breakwall.breaker.CircuitBreakerConfig`, but for classes of
    exceptions and predicates, which no variable can name, and ``timeout``, which is ``PAYMENT_TIMEOUT``. Times are
    seconds.
    """

    failure_threshold: int = Field(3, ge=1, le=10_000)
    failure_rate: float = Field(0.5, gt=0, le=1)
    window: float = Field(60.0, ge=0.02, le=3600)
    recovery_timeout: float = Field(30.0, gt=0, le=86_400)
    half_open_max_calls: int = Field(3, ge=1, le=1000)
    minimum_calls: int = Field(1, ge=1, le=1_000_000)
    recent_calls: int = Field(20, ge=1, le=1_000_000)
    slow_call_duration: Annotated[Annotated[float, Field(gt=0, le=300)] | None, UNSET] = None
    max_recovery_timeout: Annotated[Annotated[float, Field(gt=0, le=604_800)] | None, UNSET] = None
    max_retry_after: float = Field(3600.0, gt=0, le=604_800)
    jitter: float = Field(0.1, ge=0, le=1)
    refresh_interval: float = Field(0.2, gt=0, le=60)
    store_timeout: float = Field(0.05, gt=0, le=60)
    first_contact: float = Field(1.0, gt=0, le=60)

    @field_validator("max_recovery_timeout")
    @classmethod
    def _not_below_the_first(cls, value: float | None, info: ValidationInfo) -> float | None:
        first = info.data.get("recovery_timeout")
        if value is not None and first is not None and value < first:
            raise ValueError(f"should be at least {PREFIX}BREAKER__RECOVERY_TIMEOUT: {first:g}")
        return value


class PlaceSettings(SettingsSection):
    """How `place` behaves. Times are seconds."""

    wait: float = Field(2.0, ge=0, le=300)  # For the outcome; after it the charge goes on behind.


class RetrySettings(SettingsSection):
    """The worker's backoff: full jitter below ``min(cap, base * 2**n)``. Times are seconds."""

    base: float = Field(1.0, gt=0, le=3600)
    cap: float = Field(600.0, gt=0, le=86_400)
    max_attempts: int = Field(30, ge=1, le=10_000)
    # Orders a second that all workers together send at most; without it there is no limit.
    max_rate: Annotated[Annotated[float, Field(gt=0, le=1_000_000)] | None, UNSET] = None


class DispatchSettings(SettingsSection):
    """The worker's dispatcher, which publishes due orders. Times are seconds."""

    interval: float = Field(1.0, gt=0, le=60)  # Between two runs.
    batch: int = Field(200, ge=1, le=10_000)  # Orders published in one run.
    window: int = Field(1000, ge=1, le=1_000_000)  # With so many waiting messages nothing more is published.
    republish_after: float = Field(60.0, gt=0, le=86_400)  # Until an unprocessed message counts as lost.


class LogSettings(SettingsSection):
    """The form of a worker's log. A shop's own processes configure their own logging."""

    format: Literal["auto", "json", "text"] = "auto"


class RetentionSettings(SettingsSection):
    """How long finished orders and their keys are kept. Times are days; without ``days`` all stay."""

    days: Annotated[Annotated[int, Field(ge=1, le=36_500)] | None, UNSET] = None
    # A year and a month: a shop that bills once a year may place an order again with last year's key.
    keys_days: int = Field(400, ge=1, le=36_500, validate_default=True)

    @field_validator("keys_days")
    @classmethod
    def _longer_than_the_orders(cls, value: int, info: ValidationInfo) -> int:
        days = info.data.get("days")
        if days is not None and value < days:
            raise ValueError(f"should be at least as long as {PREFIX}RETENTION__DAYS: {days}")
        return value


class ApiSettings(SettingsSection):
    """The HTTP API."""

    # Names of this server beside loopback and its address, with commas between: others are refused in `Host`.
    hosts: Annotated[str, checked(parse_host_names)] = ""
    # Addresses or networks of the proxies before this server, with commas between. Only their `X-Forwarded-For` and
    # `X-Forwarded-Proto` are believed.
    proxies: Annotated[str, checked(parse_networks)] = ""


class OutcomeSettings(SettingsSection):
    """Where the shop is told how its orders ended. Without any of the ways, nobody is told."""

    allow_private: bool = False
    webhook_url: Annotated[Annotated[SecretStr, secret(check_webhook_url)] | None, UNSET] = None
    webhook_secret_file: Annotated[Annotated[Path, file(read_secrets)] | None, UNSET] = None
    webhook_secret: Annotated[Annotated[SecretStr, secret(parse_secrets)] | None, UNSET] = Field(
        None, validate_default=True
    )
    task: Annotated[Annotated[str, checked(plain_name)] | None, UNSET] = None
    task_queue: Annotated[str, checked(plain_name)] = "celery"
    broker_url: Annotated[Annotated[SecretStr, secret(check_broker_url)] | None, UNSET] = Field(
        None, validate_default=True
    )
    listener: Annotated[Annotated[str, checked(check_dotted_path)] | None, UNSET] = None

    @field_validator("webhook_url")
    @classmethod
    def _encrypted(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (
            value is not None
            and value.get_secret_value().startswith("http:")
            and not info.data.get("allow_private")
        ):
            raise ValueError(f"should start with https://, unless {PREFIX}OUTCOMES__ALLOW_PRIVATE=true")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _signed(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "webhook_secret_file" not in info.data:
            return value
        if info.data["webhook_secret_file"] is None:
            return _with_its_companion(value, "webhook_url", info)
        if value is not None:
            raise ValueError(
                f"holds the secret, and so does {PREFIX}OUTCOMES__WEBHOOK_SECRET_FILE: remove one"
            )
        return value

    @field_validator("webhook_secret_file")
    @classmethod
    def _for_the_webhook(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("webhook_url", value) is None:
            raise ValueError(f"has no effect without {PREFIX}OUTCOMES__WEBHOOK_URL")
        return value

    @field_validator("broker_url")
    @classmethod
    def _for_the_task(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        return _with_its_companion(value, "task", info)

    @property
    def ways(self) -> tuple[str, ...]:
        """The names of the ways to the shop that are configured."""
        return tuple(way for way, field in WAYS.items() if getattr(self, field) is not None)

    @property
    def is_used(self) -> bool:
        """Whether somebody is told."""
        return bool(self.ways)


class TracingSettings(SettingsSection):
    """Where the spans of workers and of `breakwall api` are sent. Without an endpoint nothing is traced."""

    # The whole address, such as http://collector:4318/v1/traces.
    endpoint: Annotated[Annotated[SecretStr, secret(check_collector_url)] | None, UNSET] = None
    headers: Annotated[Annotated[SecretStr, secret(parse_headers)] | None, UNSET] = None
    share: float = Field(1.0, ge=0, le=1)  # Of the traces that begin here.


def _with_its_companion(value: SecretStr | None, other: str, info: ValidationInfo) -> SecretStr | None:
    """Either both settings are set, or none."""
    if other in info.data and (value is None) != (info.data[other] is None):
        name = f"{PREFIX}OUTCOMES__{other.upper()}"
        raise ValueError(
            f"should be set too, because {name} is" if value is None else f"has no effect without {name}"
        )
    return value
