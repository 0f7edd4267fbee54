"""Spans of OpenTelemetry, in a process that traces. In any other, a span costs a look into a dictionary.

A process traces if its application has set a tracer provider, or if `TRACING__ENDPOINT` is set (`trace_export`). An
order keeps the trace in which it was accepted (`ledger.traces`), so that a later attempt and its webhook, in other
processes, belong to it. No span holds an exception's text, a key of the shop's, or anything about a customer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from breakwall import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span as OpenTelemetrySpan

Value = str | int | float | bool | None

_NAMES_PROVIDER = "OTEL_PYTHON_TRACER_PROVIDER" in os.environ  # Then it is loaded when somebody asks for it.


class Span:
    """One span, or nothing: ``inner`` is None in a process that does not trace."""

    def __init__(self, inner: OpenTelemetrySpan | None = None) -> None:
        self._inner = inner

    def set(self, **attributes: Value) -> None:
        """Add attributes, each under the prefix ``breakwall.``; None is left out."""
        if self._inner is not None:
            self._inner.set_attributes(_named(attributes))


OFF = Span()
_NOTHING: AbstractContextManager[Span] = nullcontext(OFF)


def is_on() -> bool:
    """Whether this process traces."""
    api = sys.modules.get("opentelemetry.trace")
    # Without a provider, `get_tracer_provider` looks into the environment each time: that costs as much as parsing an
    # order, and each order asks.
    if api is None or (getattr(api, "_TRACER_PROVIDER", api) is None and not _NAMES_PROVIDER):
        return False
    try:
        return not isinstance(api.get_tracer_provider(), (api.ProxyTracerProvider, api.NoOpTracerProvider))
    except AttributeError:  # Another thread imports it at this moment.
        return False


def span(name: str, *, parent: str | None = None, **attributes: Value) -> AbstractContextManager[Span]:
    """A span around a block, under the current one, or else under ``parent``, a W3C ``traceparent``."""
    return _span(name, parent, attributes) if is_on() else _NOTHING


def redact(*names: str) -> None:
    """Overwrite these attributes of the current span, which another library has made."""
    if is_on():
        from opentelemetry import trace

        trace.get_current_span().set_attributes(dict.fromkeys(names, "REDACTED"))


def carry() -> Context | None:
    """The current span, for another thread; None: there is none."""
    return _current() if is_on() else None


def within(carried: Context | None) -> AbstractContextManager[object]:
    """Continue in this thread what `carry` returned in another."""
    return nullcontext() if carried is None else _attached(carried)


def parent_of(carried: Context | None) -> str | None:
    """A span that `carry` returned as a W3C ``traceparent``, for another process; None if it is not recorded."""
    if carried is None:
        return None
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if not trace.get_current_span(carried).get_span_context().trace_flags.sampled:
        return None
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, carried)
    return carrier.get("traceparent")


def _current() -> Context | None:
    from opentelemetry import context, trace

    return context.get_current() if trace.get_current_span().get_span_context().is_valid else None


@contextmanager
def _span(name: str, parent: str | None, attributes: dict[str, Value]) -> Iterator[Span]:
    from opentelemetry import trace

    tracer = trace.get_tracer("breakwall", __version__)
    context = _current() or _remote(parent)
    with tracer.start_as_current_span(
        f"breakwall.{name}",
        context,
        attributes=_named(attributes),
        # An exception's text may hold anything.
        record_exception=False,
        set_status_on_exception=False,
    ) as inner:
        try:
            yield Span(inner)
        except BaseException as error:
            inner.set_attribute("error.type", type(error).__name__)
            inner.set_status(trace.StatusCode.ERROR)
            raise


@contextmanager
def _attached(carried: Context) -> Iterator[None]:
    from opentelemetry import context

    token = context.attach(carried)
    try:
        yield
    finally:
        context.detach(token)


def _remote(parent: str | None) -> Context | None:
    if parent is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})


def _named(attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"breakwall.{name}": value for name, value in attributes.items() if value is not None}
