from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse

from tests.contract.web.api_site import ApiSite


def test_head_is_answered_as_get_without_the_body(api: ApiSite) -> None:
    got, head = api.client.get("/openapi.json"), api.client.head("/openapi.json")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


def test_head_of_an_address_without_get_is_refused(api: ApiSite) -> None:
    @api.app.post("/tried")
    def post() -> None: ...

    assert api.client.head("/tried").status_code == 405


def test_head_of_a_stream_without_an_end_has_one(api: ApiSite) -> None:
    async def events() -> AsyncIterator[str]:
        while not await api.services.stopping.sleep_or_stop(3600.0):
            yield "data: now\n\n"

    @api.app.get("/tried")
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    assert api.client.head("/tried").status_code == 200
