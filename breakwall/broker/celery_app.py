"""The Celery app that obeys our settings and nothing else. Importing this loads Celery."""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.app.utils import Settings as CelerySettings
from celery.loaders.app import AppLoader
from kombu.connection import Connection

from breakwall.broker.config import celery_config
from breakwall.settings import Settings


class IsolatedLoader(AppLoader):  # type: ignore[misc]  # Celery has no types
    """Reads no module that ``CELERY_CONFIG_MODULE`` names."""

    def read_configuration(self, env: str = "") -> dict[str, Any]:
        return {}


class IsolatedSettings(CelerySettings):  # type: ignore[misc]  # Celery has no types
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
        return "IsolatedSettings()"  # the broker's password is among them; Celery's own `humanize` hides it


class NodeTLSConnection(Connection):
    """Checks each node's certificate against its own name: kombu writes the first node's name into shared settings."""

    def _init_params(self, **params: Any) -> None:  # type: ignore[override]  # kombu names each, and passes all so
        super()._init_params(**{**params, "ssl": _copied(params["ssl"])})  # type: ignore[no-untyped-call]

    def _info(self, resolve: bool = True) -> tuple[tuple[str, Any], ...]:
        kombus = dict(super()._info(resolve))  # type: ignore[no-untyped-call]
        return tuple({**kombus, "ssl": _copied(self._initial_params["ssl"])}.items())


class NodeTLSAMQP(AMQP):  # type: ignore[misc]  # Celery has no types
    """Celery's, with our connections."""

    Connection = NodeTLSConnection


def _copied(tls: Any) -> Any:
    return dict(tls) if isinstance(tls, dict) else tls


class IsolatedCelery(Celery):  # type: ignore[misc]  # Celery has no types
    """Configured by ``settings``: no variable of Celery's changes it, nor does a Django project around it.

    Args:
        settings: where the broker is.
        current: whether it becomes the process's current app. In a shop's process that is the shop's own.
    """

    def __init__(self, settings: Settings, *, current: bool) -> None:
        super().__init__(
            "breakwall", loader=IsolatedLoader, amqp=NodeTLSAMQP, fixups=[], set_as_current=current
        )
        # Celery keeps and fills this very object. An assignment to its attribute would be a setting.
        object.__setattr__(self._conf, "__class__", IsolatedSettings)
        self.conf.update(celery_config(settings))
