from __future__ import annotations

from html.parser import HTMLParser

import pytest

from breakwall.web.problems import PATH, ProblemType
from tests.contract.web.api_site import ApiSite

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("one", ProblemType)
def test_each_type_is_explained_at_its_address(api: ApiSite, one: ProblemType) -> None:
    page = api.client.get(one.address, headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>" in page.text
    document = api.client.get(one.address).json()
    assert document["explanation"] == one.value.explanation
    assert document["type"] == one.address


def test_all_types_are_listed_for_people_and_for_programs(api: ApiSite) -> None:
    links: list[str | None] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            links.extend(value for name, value in attrs if name == "href")

    Links().feed(api.client.get(PATH, headers=BROWSER).text)
    assert links == [one.address for one in ProblemType]
    assert [one["type"] for one in api.client.get(PATH).json()] == links


def test_a_type_that_there_is_not_is_a_problem(api: ApiSite) -> None:
    assert api.client.get(f"{PATH}/none-such").status_code == 404
