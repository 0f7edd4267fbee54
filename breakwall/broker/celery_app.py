"""The Celery app that our settings alone configure. Importing this loads Celery."""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.app.utils import Settings as CelerySettings
from celery.loaders.app import AppLoader
from kombu.connection import Connection

from breakwall.broker.config import celery_config
from breakwall.settings import Settings


class IsolatedLoader(AppLoader):  # type: ignore[misc]  # Celery has no types
    """Ignores ``CELERY_CONFIG_MODULE``."""

    def read_configuration(self, env: str = "") -> dict[str, Any]:
        return {}


class IsolatedSettings(CelerySettings):  # type: ignore[misc]  # Celery has no types
    """Celery's settings. Celery reads these four from the environment first; here the environment is ignored."""

    @property
    def broker_url(self) -> Any:
        return self.get("broker_url")

    broker_read_url = broker_write_url = broker_url

    @property
    def result_backend(self) -> Any:
        return self.get("result_backend")

    def __repr__(self) -> str:
        return "IsolatedSettings()"  # they hold the broker's password; Celery's own `humanize` hides it


class NodeTLSConnection(Connection):
    """Checks each node's certificate against that node's name. kombu's own uses the first node's name for all."""

    def _init_params(self, **params: Any) -> None:  # type: ignore[override]  # kombu passes all by name
        super()._init_params(**{**params, "ssl": _copied(params["ssl"])})  # type: ignore[no-untyped-call]

    def _info(self, resolve: bool = True) -> tuple[tuple[str, Any], ...]:
        kombus = dict(super()._info(resolve))  # type: ignore[no-untyped-call]
        return tuple({**kombus, "ssl": _copied(self._initial_params["ssl"])}.items())


class NodeTLSAMQP(AMQP):  # type: ignore[misc]  # Celery has no types
    Connection = NodeTLSConnection


def _copied(tls: Any) -> Any:
    return dict(tls) if isinstance(tls, dict) else tls


class IsolatedCelery(Celery):  # type: ignore[misc]  # Celery has no types
    """Configured by ``settings`` alone: Celery's environment variables and a Django project change nothing.

    ``current``: it becomes the process's current app. In a shop's process, the current app is the shop's.
    """

    def __init__(self, settings: Settings, *, current: bool) -> None:
        ours = {"loader": IsolatedLoader, "amqp": NodeTLSAMQP, "fixups": []}
        super().__init__("breakwall", **ours, set_as_current=current)
        # Celery keeps this object and fills it. A plain assignment would make a setting named `__class__`.
        object.__setattr__(self._conf, "__class__", IsolatedSettings)
        self.conf.update(celery_config(settings))
