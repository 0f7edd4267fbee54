"""The Celery app that obeys our settings and nothing else. Importing this loads Celery."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.app.utils import Settings as CelerySettings
from celery.loaders.app import AppLoader
from kombu.connection import Connection

from breakwall.broker.config import celery_config
from breakwall.settings import Settings


class OwnLoader(AppLoader):  # type: ignore[misc]  # Celery has no types
    """Reads no module that ``CELERY_CONFIG_MODULE`` names."""

    def read_configuration(self, env: str = "") -> dict[str, Any]:
        return {}


class OwnSettings(CelerySettings):  # type: ignore[misc]  # Celery has no types
    """Celery's settings without the four that its own ask the environment for first."""

    @property
    def broker_url(self) -> Any:
        return self.get("broker_url")

    @property
    def broker_read_url(self) -> Any:
        return self.broker_url

    @property
    def broker_write_url(self) -> Any:
        return self.broker_url

    @property
    def result_backend(self) -> Any:
        return self.get("result_backend")

    def __repr__(self) -> str:
        return "OwnSettings()"  # the broker's password is among them; Celery's own `humanize` hides it


class OwnConnection(Connection):
    """kombu's, which writes the first node's name into the TLS settings, and holds every other one to it."""

    def _init_params(self, **params: Any) -> None:  # type: ignore[override]  # kombu names each, and passes all so
        super()._init_params(**{**params, "ssl": _copied(params["ssl"])})  # type: ignore[no-untyped-call]

    def _info(self, resolve: bool = True) -> tuple[tuple[str, Any], ...]:
        kombus = dict(super()._info(resolve))  # type: ignore[no-untyped-call]
        return tuple({**kombus, "ssl": _copied(self._initial_params["ssl"])}.items())


class OwnAMQP(AMQP):  # type: ignore[misc]  # Celery has no types
    """Celery's, with our connections."""

    Connection = OwnConnection


def _copied(tls: Any) -> Any:
    return dict(tls) if isinstance(tls, dict) else tls


class OwnApp(Celery):  # type: ignore[misc]  # Celery has no types
    """Configured by ``settings``: no variable of Celery's changes it, nor does a Django project around it.

    Args:
        settings: where the broker is.
        current: whether it becomes the process's current app. In a shop's process that is the shop's own.
    """

    def __init__(self, settings: Settings, *, current: bool) -> None:
        super().__init__("breakwall", loader=OwnLoader, amqp=OwnAMQP, fixups=[], set_as_current=current)
        # Celery keeps and fills this very object. An assignment to its attribute would be a setting.
        object.__setattr__(self._conf, "__class__", OwnSettings)
        self.conf.update(celery_config(settings))
