"""Which broker a shop's workers and its producers use for our queue."""

from collections.abc import Callable
from typing import Any

from celery import Celery
from pydantic import SecretStr

from breakwall.settings import PREFIX, Settings, SettingsError, load_settings
from breakwall.urls.brokers import check_broker_url

VARIABLE = f"{PREFIX}BROKER_URL"

_ALIASES = {"pyamqp": "amqp", "librabbitmq": "amqp"}  # Names of the same broker in kombu.


def settings_for(
    app: Celery, given: Settings | None = None, load: Callable[[], Settings] = load_settings
) -> Settings:
    """The settings, by ``load`` unless they are ``given``; with the app's broker if they name none.

    Raises `SettingsError`.
    """
    settings = given or load()
    if settings.broker_url is not None:
        return settings
    return settings.model_copy(update={"broker_url": SecretStr(_broker_of(app))})


def _broker_of(app: Celery) -> str:
    """The URL of the app's broker, in our form. Raises `SettingsError` if it does not say all that we need."""
    url = _url(app)
    try:
        _check_options(app)
        check_broker_url(url)
    except ValueError as error:
        raise SettingsError(
            [
                f"{VARIABLE}: is not set, and the broker of the Celery app cannot be used in its place, because it "
                f"{error}. Set it, to the same value for web processes and workers"
            ]
        ) from None
    return url


def _url(app: Celery) -> str:
    written: Any = app.conf.broker_write_url
    if written is None:
        # Celery's default, and the parts of a URL in settings of their own.
        written = app.connection_for_write().as_uri(include_password=True)
    urls = [written] if isinstance(written, str) else list(written)
    return ";".join(_in_our_words(one.strip()) for url in urls for one in url.split(";"))


def _in_our_words(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    return f"{_ALIASES.get(scheme, scheme)}{colon}{rest}"


def _check_options(app: Celery) -> None:
    """Raise `ValueError` if the app's settings say more about the broker than its URL."""
    if app.conf.broker_write_url != app.conf.broker_read_url:
        raise ValueError("has one URL for reading and another for writing")
    if app.conf.broker_use_ssl:
        raise ValueError("has certificates in broker_use_ssl, which Breakwall does not read")
    if (app.conf.broker_transport_options or {}).get("master_name"):
        raise ValueError(
            "names its Sentinel's primary in broker_transport_options, which Breakwall does not read"
        )
