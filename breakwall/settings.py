"""Every setting, read from the environment (prefix ``BREAKWALL_``) and, in development, from ``.env``.

`load_settings` is the edge where the environment is read. It reports every bad variable at once and
never repeats a value: values hold passwords.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from breakwall.credentials import (
    check_ca_file,
    check_certificate,
    check_headers,
    check_key_file,
    check_token,
    parse_headers,
    read_token,
)
from breakwall.dotenv_file import DotenvError, read_dotenv
from breakwall.errors import BreakwallError, ExitCode
from breakwall.pickling import Picklable
from breakwall.urls import (
    check_broker_url,
    check_database_url,
    check_payment_url,
    check_proxy_url,
    check_store_url,
    names_a_user,
)

PREFIX = "BREAKWALL_"
NESTED = "__"

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Of a site and of a payment account."""


class SettingsError(Picklable, BreakwallError):
    """One or more settings are unusable.

    Attributes:
        problems: one line for each, naming the variable and what would be right, without its value.
    """

    kind = "settings"
    exit_code = ExitCode.USAGE

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def sentences(self) -> list[str]:
        """One for each problem."""
        return self.problems

    def details(self) -> dict[str, Any]:
        """``problems``: by the variable, what would be right."""
        return {"problems": dict(problem.split(": ", 1) for problem in self.problems)}


def _secret(check: Callable[[str], None]) -> AfterValidator:
    def checked(value: SecretStr) -> SecretStr:
        check(value.get_secret_value())
        return value

    return AfterValidator(checked)


def _file(check: Callable[[Path], object]) -> AfterValidator:
    def checked(value: Path) -> Path:
        path = _expanded(value).absolute()  # a worker may change its working folder
        check(path)
        return path

    return AfterValidator(checked)


UNSET = BeforeValidator(lambda value: None if value == "" else value)
"""What a variable set to nothing says: compose files pass such on."""


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # a ~ where HOME is unset, and no user of this number or name is known
        raise ValueError(
            "begins with a ~, and there is no home folder for it: name an absolute path"
        ) from None


def _folder(path: Path) -> Path:
    whole = _expanded(path)
    try:
        is_file = whole.exists() and not whole.is_dir()
    except OSError as error:
        raise ValueError(f"cannot be a folder: {error.strerror or type(error).__name__}") from None
    if is_file:
        raise ValueError("is a file; it should be a folder, or a path where one can be made")
    return path


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class BreakerSettings(_Section):
    """When the payment service's circuit opens and how it closes again. Times are seconds.

    Within the bounds of `breakwall.breaker.CircuitBreakerConfig`.
    """

    failure_threshold: int = Field(3, ge=1, le=10_000)
    failure_rate: float = Field(0.5, gt=0, le=1)
    window: float = Field(60.0, ge=0.02, le=3600)
    recovery_timeout: float = Field(30.0, gt=0, le=86_400)
    half_open_max_calls: int = Field(3, ge=1, le=1000)
    first_contact: float = Field(1.0, gt=0, le=60)


class RetrySettings(_Section):
    """The worker's backoff: full jitter below ``min(cap, base * 2**n)``. Times are seconds."""

    base: float = Field(1.0, gt=0, le=3600)
    cap: float = Field(600.0, gt=0, le=86_400)
    max_attempts: int = Field(30, ge=1, le=10_000)


class DispatchSettings(_Section):
    """The worker's loop that publishes due orders. Times are seconds.

    ``interval``: pause between two looks. ``batch``: orders published in one look. ``window``: above this
    many waiting messages nothing more is published. ``republish_after``: a message that has not been
    worked on for so long is taken for lost.
    """

    interval: float = Field(1.0, gt=0, le=60)
    batch: int = Field(200, ge=1, le=10_000)
    window: int = Field(1000, ge=1, le=1_000_000)
    republish_after: float = Field(60.0, gt=0, le=86_400)


class LogSettings(_Section):
    """How the worker's log looks; a shop's own processes set their logging up themselves."""

    format: Literal["auto", "json", "text"] = "auto"


DAY = 86_400
"""Seconds."""


class RetentionSettings(_Section):
    """For how long orders that have ended are kept, and their keys. Times are days; without ``days`` all stays."""

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


class Settings(_Section):
    """All settings; each field is the variable ``BREAKWALL_`` plus its name in capitals."""

    data_dir: Annotated[Path, AfterValidator(_folder)] = Path(".breakwall")
    database_url: Annotated[SecretStr, _secret(check_database_url)] | None = None
    broker_url: Annotated[SecretStr, _secret(check_broker_url)] | None = None
    breaker_store_url: Annotated[SecretStr, _secret(check_store_url)] | None = None
    site: Annotated[str, Field(pattern=NAME)] | None = None
    payment_gateway: Literal["http"] = "http"
    payment_url: Annotated[SecretStr, _secret(check_payment_url)] = SecretStr("http://127.0.0.1:8090")
    payment_token: Annotated[Annotated[SecretStr, _secret(check_token)] | None, UNSET] = None
    payment_token_file: Annotated[Annotated[Path, _file(read_token)] | None, UNSET] = None
    payment_headers: Annotated[Annotated[SecretStr, _secret(check_headers)] | None, UNSET] = None
    payment_ca_file: Annotated[Annotated[Path, _file(check_ca_file)] | None, UNSET] = None
    payment_key_file: Annotated[Annotated[Path, _file(check_key_file)] | None, UNSET] = None
    payment_cert_file: Annotated[Annotated[Path, _file(lambda path: None)] | None, UNSET] = Field(
        None, validate_default=True
    )
    payment_proxy: Annotated[Annotated[SecretStr, _secret(check_proxy_url)] | None, UNSET] = None
    payment_account: str = Field("default", pattern=NAME)
    payment_keys: Literal["derived", "caller"] = "derived"
    payment_timeout: float = Field(10.0, gt=0, le=300)
    payment_deduplicates: bool = False
    payment_key_life: float = Field(86_400.0, gt=0)
    payment_settle_seconds: float = Field(30.0, ge=0, le=86_400)
    payment_max_retry_after: float = Field(600.0, gt=0, le=86_400)
    breaker: BreakerSettings = BreakerSettings()
    retry: RetrySettings = RetrySettings()
    dispatch: DispatchSettings = DispatchSettings()
    log: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    api_tokens: SecretStr | None = None

    @field_validator("payment_token", "payment_token_file", "payment_headers")
    @classmethod
    def _one_authorization(cls, value: SecretStr | Path | None, info: ValidationInfo) -> Any:
        if value is None or (isinstance(value, SecretStr) and not _authorizes(value, info.field_name)):
            return value
        url = info.data.get("payment_url")
        if url is not None and names_a_user(url.get_secret_value()):
            raise ValueError("says who we are, and so does the user in BREAKWALL_PAYMENT_URL: take one away")
        for other in ("payment_token", "payment_token_file"):
            if info.data.get(other) is not None:
                raise ValueError(f"says who we are, and so does {PREFIX}{other.upper()}: take one away")
        return value

    @field_validator("payment_ca_file", "payment_key_file", "payment_cert_file")
    @classmethod
    def _with_tls_only(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        url = info.data.get("payment_url")
        if value is not None and url is not None and not url.get_secret_value().startswith("https:"):
            raise ValueError("is of no use while BREAKWALL_PAYMENT_URL does not start with https://")
        return value

    @field_validator("payment_cert_file")
    @classmethod
    def _certificate_with_its_key(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        key = info.data.get("payment_key_file")
        if value is not None and "payment_key_file" in info.data:
            check_certificate(value, key)
        elif value is None and key is not None:
            raise ValueError("should name the certificate of the key in BREAKWALL_PAYMENT_KEY_FILE")
        return value

    @property
    def own_payment_headers(self) -> dict[str, str]:
        """The shop's own headers of each request to the payment service. Hold secrets: never log them."""
        return {} if self.payment_headers is None else parse_headers(self.payment_headers.get_secret_value())

    @property
    def embedded_database(self) -> bool:
        """Whether orders are in the data folder's own SQLite file, which is migrated on first use."""
        return self.database_url is None

    @property
    def embedded_broker(self) -> bool:
        """Whether the broker is the Valkey server that a worker starts in the data folder."""
        return self.broker_url is None

    @cached_property
    def home(self) -> Path:
        """The data folder, absolute."""
        return self.data_dir.expanduser().absolute()

    @property
    def database(self) -> str:
        """The orders database's SQLAlchemy URL. Holds a password: never log it."""
        if self.database_url is None:
            return f"sqlite:///{quote(str(self.home / 'breakwall.db'))}"
        return self.database_url.get_secret_value()

    @property
    def broker_socket(self) -> Path:
        """Where the embedded broker listens."""
        return self.home / "broker.sock"

    @property
    def broker(self) -> str:
        """The broker's kombu URL. Holds a password: never log it."""
        if self.broker_url is None:
            return f"redis+socket://{quote(str(self.broker_socket))}"
        return self.broker_url.get_secret_value()

    @property
    def breaker_store(self) -> str:
        """Where the circuit's shared state is: by default, beside the orders."""
        if self.breaker_store_url is None:
            return self.database
        return self.breaker_store_url.get_secret_value()

    @property
    def breaker_store_setting(self) -> str:
        """The variable that says where that is, for who has to look at it."""
        return f"BREAKWALL_{'DATABASE' if self.breaker_store_url is None else 'BREAKER_STORE'}_URL"


def _authorizes(value: SecretStr, field: str | None) -> bool:
    if field == "payment_token":
        return True
    return "authorization" in (name.lower() for name in parse_headers(value.get_secret_value()))


def load_settings(environ: Mapping[str, str] | None = None, *, dotenv: Path | None = None) -> Settings:
    """Read the settings from ``environ`` (default: the process's own, over ``.env`` in the working folder).

    Raises:
        SettingsError: naming every variable that is unknown or unusable, and what would be right.
    """
    if environ is None:
        environ = {**_read_dotenv(dotenv or Path(".env")), **os.environ}
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    unknown = [name for name in given if name not in setting_names()]
    problems = [_unknown(name) for name in sorted(unknown)]
    try:
        settings = Settings(**_nest({k: v for k, v in given.items() if k not in unknown}))
    except ValidationError as error:
        problems += [_problem(item["loc"], item["msg"]) for item in error.errors(include_input=False)]
    if not problems and (problem := _home_problem(settings)):
        problems.append(f"{PREFIX}DATA_DIR: {problem}")
    if problems:
        raise SettingsError(problems)
    return settings


def _home_problem(settings: Settings) -> str | None:
    """What is wrong with a data folder that is used: it becomes a part of URLs, which are text."""
    if not (settings.embedded_database or settings.embedded_broker):
        return None
    try:
        str(settings.home).encode()
    except FileNotFoundError:
        return "is below the working folder, and the working folder is not there any more"
    except UnicodeEncodeError:
        return (
            "should be a folder whose whole path is UTF-8 text: name another one, or work in another folder"
        )
    return None


def setting_names() -> list[str]:
    """Every variable that is a setting, in the order of the fields."""
    return list(_walk(Settings, PREFIX))


def _read_dotenv(path: Path) -> dict[str, str]:
    try:
        return read_dotenv(path, PREFIX)
    except DotenvError as error:
        raise SettingsError([str(error)]) from None


def _walk(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, f"{prefix}{name.upper()}{NESTED}")
        else:
            yield f"{prefix}{name.upper()}"


def _nest(given: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in given.items():
        *sections, leaf = name.removeprefix(PREFIX).lower().split(NESTED)
        target = values
        for section in sections:
            target = target.setdefault(section, {})
        target[leaf] = text
    return values


def _unknown(name: str) -> str:
    plain = re.match(r"\w*", name, re.ASCII)
    if plain and plain[0] != name:
        # What stands behind it may be the value, where : was written for =.
        return (
            f"{plain[0]}…: is not a name; NAME=value would be right, the name of letters, digits and _ alone"
        )
    near = difflib.get_close_matches(name, setting_names(), n=1, cutoff=0.8)
    hint = f"did you mean {near[0]}?" if near else "README.md lists the settings."
    return f"{name}: no such setting; {hint}"


def _problem(loc: tuple[int | str, ...], message: str) -> str:
    # A union (`… | None`) adds the branch's name to the place; only names of fields are ours.
    parts = [str(part).upper() for part in loc if str(part).isidentifier()]
    name = PREFIX + NESTED.join(parts)
    longest_first = sorted(setting_names(), key=len, reverse=True)
    known = next((known for known in longest_first if name.startswith(known)), name)
    return f"{known}: {message.removeprefix('Value error, ')}"
