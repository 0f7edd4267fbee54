from __future__ import annotations

from tests.contract.web.api_site import ApiSite


def test_the_api_has_a_document_of_itself(api: ApiSite) -> None:
    document = api.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
