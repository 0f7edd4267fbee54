"""The spans of a test: recorded in memory, without a tracer provider for the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Spans:
    """What was recorded so far."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def all(self) -> list[ReadableSpan]:
        """First to last to end."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def text(self) -> str:
        """All that would leave the process."""
        return "\n".join(span.to_json() for span in self.all())


@contextmanager
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """This process traces."""
    spans = Spans()
    with monkeypatch.context() as patched:
        patched.setattr(trace, "_TRACER_PROVIDER", spans.provider)
        yield spans
    spans.provider.shutdown()


def trace_id(span: ReadableSpan) -> int:
    """The trace that it belongs to."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id
