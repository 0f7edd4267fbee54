"""A collector of OpenTelemetry: takes spans by OTLP over HTTP, as the exporter of the SDK sends them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.application_server import serving


@dataclass
class Collector:
    """What it has taken."""

    address: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"{self.address}/v1/traces"

    def spans(self) -> list[tuple[str, str, int]]:
        """The service, the name and the trace of each span."""
        return [
            (_service(resource), span.name, int.from_bytes(span.trace_id, "big"))
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def text(self) -> str:
        return "\n".join(map(str, self.requests))


def _service(resource: Any) -> str:
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    return str(named["service.name"])


@contextmanager
def collecting() -> Iterator[Collector]:
    """A running one."""
    collector, application = Collector(), FastAPI()

    @application.post("/v1/traces")
    async def take(request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        collector.headers.append(dict(request.headers))
        collector.requests.append(ExportTraceServiceRequest.FromString(body))
        return Response(b"", media_type="application/x-protobuf")

    with serving(application) as address:
        collector.address = address
        yield collector
