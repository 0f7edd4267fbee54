"""Sends this process's spans to a collector, by OTLP over HTTP, if `TRACING__ENDPOINT` is set.

An application with a tracer provider of its own needs none of this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from breakwall import __version__, tracing
from breakwall.credentials import parse_headers
from breakwall.settings import PREFIX, Settings, SettingsError

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider

LAST_SPANS = 1.0
"""Seconds for which the end of a process waits until its last spans are sent."""

EXPORT_TIMEOUT = 2.0
"""Seconds that sending may take. Spans that cannot be sent are lost."""


def start_tracing(settings: Settings, service: str) -> Callable[[], None]:
    """Trace from now on, as the service ``breakwall-{service}``. Returns what sends the last spans and ends it.

    Does nothing without the setting, and in an application that traces already. Call it after a fork.

    Raises:
        SettingsError: the extra is not installed.
    """
    chosen = settings.tracing
    if chosen.endpoint is None or tracing.is_on():
        return lambda: None
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        exporter = _exporter(settings)
    except ImportError:
        needs = "needs its extra: pip install 'breakwall[tracing]'"
        raise SettingsError([f"{PREFIX}TRACING__ENDPOINT: {needs}"]) from None
    about = Resource.create({"service.name": f"breakwall-{service}", "service.version": __version__})
    sampler = ParentBased(TraceIdRatioBased(chosen.share))
    provider = TracerProvider(resource=about, sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_TIMEOUT * 1000))
    trace.set_tracer_provider(provider)
    return lambda: _shut_down(provider)


def _shut_down(provider: TracerProvider) -> None:
    """Send the last spans. A collector that hangs would hold up the end of the process for many seconds."""
    ending = threading.Thread(target=provider.shutdown, name="breakwall-tracing", daemon=True)
    ending.start()
    ending.join(LAST_SPANS)


def _exporter(settings: Settings) -> OTLPSpanExporter:
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    chosen, session = settings.tracing, requests.Session()
    session.trust_env = False  # No proxy and no password of the environment's.
    headers = {} if chosen.headers is None else parse_headers(chosen.headers.get_secret_value())
    endpoint = "" if chosen.endpoint is None else chosen.endpoint.get_secret_value()
    return OTLPSpanExporter(endpoint, headers=headers, timeout=EXPORT_TIMEOUT, session=session)
