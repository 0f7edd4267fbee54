"""All settings in one object, and the values that follow from them."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from breakwall.api_tokens import ConfiguredToken, parse_tokens
from breakwall.credentials import (
    check_ca_file,
    check_certificate,
    check_readable,
    check_token,
    named,
    names_authorization,
    parse_headers,
    read_headers,
    read_line,
    read_token,
)
from breakwall.gateway_names import DEFAULT as DEFAULT_GATEWAY
from breakwall.gateway_names import SHIPPED, STRIPE, check_gateway, gateway_name
from breakwall.settings.sections import (
    PREFIX,
    ApiSettings,
    BreakerSettings,
    DispatchSettings,
    LogSettings,
    OutcomeSettings,
    PlaceSettings,
    RetentionSettings,
    RetrySettings,
    SettingsSection,
    TracingSettings,
)
from breakwall.settings.values import UNSET, file, folder, name, parse_options, secret, stripe_account
from breakwall.urls.address import names_a_user
from breakwall.urls.brokers import check_broker_url
from breakwall.urls.databases import check_database_url
from breakwall.urls.http import check_payment_url, check_proxy_url, read_proxy_url
from breakwall.urls.stores import check_store_url
from breakwall.webhook_secrets import SecretTextsFile, parse_secrets, read_secret_texts, split_secrets


class Settings(SettingsSection):
    """All settings. A field's variable is ``BREAKWALL_`` and the field's name in capitals."""

    data_dir: Annotated[Path, AfterValidator(folder)] = Path(".breakwall")
    database_url: Annotated[SecretStr, secret(check_database_url)] | None = None
    broker_url: Annotated[SecretStr, secret(check_broker_url)] | None = None
    breaker_store_url: Annotated[SecretStr, secret(check_store_url)] | None = None
    site: Annotated[str, AfterValidator(name)] | None = None
    payment_gateway: Annotated[str, AfterValidator(check_gateway)] = DEFAULT_GATEWAY
    payment_options: Annotated[Annotated[SecretStr, secret(parse_options)] | None, UNSET] = None
    payment_url: Annotated[SecretStr, secret(check_payment_url)] = SecretStr("http://127.0.0.1:8090")
    payment_token: Annotated[Annotated[SecretStr, secret(check_token)] | None, UNSET] = None
    payment_token_file: Annotated[Annotated[Path, file(read_token)] | None, UNSET] = None
    payment_headers: Annotated[Annotated[SecretStr, secret(parse_headers)] | None, UNSET] = None
    payment_headers_file: Annotated[Annotated[Path, file(read_headers)] | None, UNSET] = None
    payment_ca_file: Annotated[Annotated[Path, file(check_ca_file)] | None, UNSET] = None
    payment_key_file: Annotated[Annotated[Path, file(check_readable)] | None, UNSET] = None
    payment_cert_file: Annotated[Annotated[Path, file(lambda path: None)] | None, UNSET] = Field(
        None, validate_default=True
    )
    payment_proxy: Annotated[Annotated[SecretStr, secret(check_proxy_url)] | None, UNSET] = None
    payment_proxy_file: Annotated[Annotated[Path, file(read_proxy_url)] | None, UNSET] = None
    payment_hook_secret_file: Annotated[Annotated[Path, file(read_secret_texts)] | None, UNSET] = None
    payment_hook_secret: Annotated[Annotated[SecretStr, secret(split_secrets)] | None, UNSET] = None
    payment_account: Annotated[str, AfterValidator(name)] = "default"
    payment_keys: Literal["derived", "caller"] = "derived"
    payment_stripe_account: Annotated[Annotated[str, AfterValidator(stripe_account)] | None, UNSET] = None
    payment_stripe_off_session: bool = True
    payment_timeout: float = Field(10.0, gt=0, le=300)
    payment_max_concurrency: int = Field(32, ge=1, le=1000)
    payment_deduplicates: bool = False
    payment_key_life: float = Field(86_400.0, gt=0)
    payment_settle_seconds: float = Field(30.0, ge=0, le=86_400)
    payment_max_retry_after: float = Field(600.0, gt=0, le=86_400)
    breaker: BreakerSettings = BreakerSettings()
    place: PlaceSettings = PlaceSettings()
    retry: RetrySettings = RetrySettings()
    dispatch: DispatchSettings = DispatchSettings()
    log: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    tracing: TracingSettings = TracingSettings()
    api: ApiSettings = ApiSettings()
    api_tokens: Annotated[Annotated[SecretStr, secret(parse_tokens)] | None, UNSET] = None

    @field_validator("payment_options")
    @classmethod
    def _options_of_a_plug_in(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        gateway = info.data.get("payment_gateway")
        if value is not None and gateway in SHIPPED:
            raise ValueError(f"has no effect: it is for installed gateways, and not for {gateway}")
        return value

    @field_validator("payment_stripe_account", "payment_stripe_off_session")
    @classmethod
    def _of_stripe(cls, value: str | bool | None, info: ValidationInfo) -> str | bool | None:
        is_default = value is None or value is True
        if not is_default and info.data.get("payment_gateway", STRIPE) != STRIPE:
            raise ValueError("has no effect unless BREAKWALL_PAYMENT_GATEWAY is stripe")
        return value

    @field_validator("payment_token", "payment_token_file", "payment_headers", "payment_headers_file")
    @classmethod
    def _one_authorization(cls, value: SecretStr | Path | None, info: ValidationInfo) -> Any:
        if value is None or not _authorizes(value, info.field_name):
            return value
        if other := _other_credentials(info):
            raise ValueError(f"holds credentials, and so does {PREFIX}{other.upper()}: remove one of them")
        return value

    @field_validator("payment_headers_file")
    @classmethod
    def _each_header_once(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and (beside := info.data.get("payment_headers")) is not None:
            _refuse_twice(read_headers(value), parse_headers(beside.get_secret_value()))
        return value

    @field_validator("payment_hook_secret_file", "payment_hook_secret")
    @classmethod
    def _one_hook_secret(
        cls, value: SecretStr | Path | None, info: ValidationInfo
    ) -> SecretStr | Path | None:
        if value is None:
            return None
        if info.data.get("payment_hook_secret_file") is not None:
            raise ValueError(
                "holds a secret, and so does BREAKWALL_PAYMENT_HOOK_SECRET_FILE: remove one of them"
            )
        if info.data.get("payment_gateway") == DEFAULT_GATEWAY:
            text = value.get_secret_value() if isinstance(value, SecretStr) else read_line(value)
            parse_secrets(text)
        return value

    @field_validator("payment_proxy_file")
    @classmethod
    def _one_proxy(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("payment_proxy") is not None:
            raise ValueError("names a proxy, and so does BREAKWALL_PAYMENT_PROXY: remove one of them")
        return value

    @field_validator("payment_ca_file", "payment_key_file", "payment_cert_file")
    @classmethod
    def _with_tls_only(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        url, is_http = info.data.get("payment_url"), info.data.get("payment_gateway") == DEFAULT_GATEWAY
        # Without a URL of the shop's, another gateway uses its service's own.
        is_ours = is_http or url != cls.model_fields["payment_url"].default
        if value and url and is_ours and not url.get_secret_value().startswith("https:"):
            raise ValueError("has no effect unless BREAKWALL_PAYMENT_URL starts with https://")
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
    def gateway_name(self) -> str:
        """The name of the gateway, under which orders remember it: ``module:factory`` is one, too."""
        return gateway_name(self.payment_gateway)

    @property
    def own_payment_options(self) -> dict[str, Any]:
        """The settings that only the gateway knows. They may hold secrets: never log them."""
        return {} if self.payment_options is None else parse_options(self.payment_options.get_secret_value())

    @property
    def own_payment_headers(self) -> dict[str, str]:
        """The shop's headers for each request to the payment service. They hold secrets: never log them.

        `ValueError` if their file has been changed, and cannot be used now.
        """
        given = {} if self.payment_headers is None else parse_headers(self.payment_headers.get_secret_value())
        if (path := self.payment_headers_file) is None:
            return given
        return named("PAYMENT_HEADERS_FILE", lambda: self._with_the_file(given, path))

    def _with_the_file(self, given: dict[str, str], path: Path) -> dict[str, str]:
        in_file = read_headers(path)
        _refuse_twice(in_file, given)
        has_others = (
            self.payment_token or self.payment_token_file or names_a_user(self.payment_url.get_secret_value())
        )
        if has_others and names_authorization(in_file):
            raise ValueError("holds credentials, and so does another setting: remove one of them")
        return given | in_file

    @cached_property
    def payment_hook_secrets(self) -> Callable[[], list[str]] | None:
        """Gives the secrets that sign the payment service's hints, read again when their file changes; None: none."""
        if (path := self.payment_hook_secret_file) is not None:
            return SecretTextsFile(path, "PAYMENT_HOOK_SECRET_FILE")
        if self.payment_hook_secret is None:
            return None
        secrets = split_secrets(self.payment_hook_secret.get_secret_value())
        return lambda: secrets

    @property
    def payment_proxy_url(self) -> str | None:
        """The proxy's URL, from the setting or its file. It holds a password: never log it.

        `ValueError` if the file has been changed, and cannot be used now.
        """
        if (path := self.payment_proxy_file) is not None:
            return named("PAYMENT_PROXY_FILE", lambda: read_proxy_url(path))
        return None if self.payment_proxy is None else self.payment_proxy.get_secret_value()

    @property
    def configured_tokens(self) -> list[ConfiguredToken]:
        """The tokens of the API that `API_TOKENS` names."""
        return [] if self.api_tokens is None else parse_tokens(self.api_tokens.get_secret_value())

    @property
    def embedded_database(self) -> bool:
        """Whether orders are in the data folder's SQLite file, which is migrated at its first use."""
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
        """The orders database's SQLAlchemy URL. It holds a password: never log it."""
        if self.database_url is None:
            return f"sqlite:///{quote(str(self.home / 'breakwall.db'))}"
        return self.database_url.get_secret_value()

    @property
    def broker_socket(self) -> Path:
        """Where the embedded broker listens."""
        return self.home / "broker.sock"

    @property
    def broker(self) -> str:
        """The broker's kombu URL. It holds a password: never log it."""
        if self.broker_url is None:
            return f"redis+socket://{quote(str(self.broker_socket))}"
        return self.broker_url.get_secret_value()

    @property
    def breaker_store(self) -> str:
        """The URL of the circuit's shared state; by default the orders database."""
        if self.breaker_store_url is None:
            return self.database
        return self.breaker_store_url.get_secret_value()

    @property
    def breaker_store_setting(self) -> str:
        """The variable that holds `breaker_store`."""
        return f"BREAKWALL_{'DATABASE' if self.breaker_store_url is None else 'BREAKER_STORE'}_URL"


def _authorizes(value: SecretStr | Path, field: str | None) -> bool:
    if field == "payment_headers_file":
        return names_authorization(read_headers(Path(str(value))))
    if isinstance(value, SecretStr) and field == "payment_headers":
        return names_authorization(parse_headers(value.get_secret_value()))
    return True


def _other_credentials(info: ValidationInfo) -> str | None:
    """The field before this one that holds credentials, too."""
    url = info.data.get("payment_url")
    if url is not None and names_a_user(url.get_secret_value()):
        return "payment_url"
    for field in ("payment_token", "payment_token_file", "payment_headers"):
        other = info.data.get(field)
        if other is not None and field != info.field_name and _authorizes(other, field):
            return field
    return None


def _refuse_twice(in_file: dict[str, str], given: dict[str, str]) -> None:
    if {name.lower() for name in in_file} & {name.lower() for name in given}:
        raise ValueError("names a header that BREAKWALL_PAYMENT_HEADERS names, too: remove one of them")
