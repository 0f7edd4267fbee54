"""The API is asked by its own OpenAPI document: each operation, with values that fit and with values that do not."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.web.api_site import ADDRESS, ApiSite

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

CASES = 500
"""In all, however many operations there are, so that the test stays below half a minute."""


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """Without ``default``, which would permit every status, and without streams, which do not end."""
    for operations in document["paths"].values():
        for method, operation in list(operations.items()):
            operation["responses"].pop("default", None)
            if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
                del operations[method]
    return document


@pytest.mark.one_database
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_answer_is_outside_of_the_document(api: ApiSite, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(strict(api.client.get("/openapi.json").json()))
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not operation.definition.raw.keys() & {
            "parameters",
            "requestBody",
        }:
            continue
        with suppress(Unsatisfiable):  # Each value of its one parameter fits.
            ask(api, operation, mode, max(3, CASES // len(operations)))


def ask(api: ApiSite, operation: Any, mode: GenerationMode, cases: int) -> None:
    @settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def try_one(data: Any) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        request = case.as_transport_kwargs(base_url=ADDRESS)
        request.pop("cookies")  # The document has none.
        # A header may hold any byte; the client encodes texts as ASCII.
        request["headers"] = {
            name: str(value).encode("latin-1") for name, value in request["headers"].items()
        }
        answer = api.client.request(**request)
        case.validate_response(answer, checks=CHECKS)

    try_one()
