"""An API without tokens, and people who give no name: the page calls nobody unknown."""

from __future__ import annotations

import pytest

from breakwall.web.page.words import LANGUAGES
from tests.contract.people import ANNA, dead
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import act, text_of

WITHOUT = {"actor": ""}


@pytest.fixture
def paths(api: ApiSite) -> list[str]:
    """The pages about everything that a person can do, done by one without a name."""
    [order] = dead(api.site, "a")
    made = act(api, "/act/orders/retry-all?status=dead&step=counted", **WITHOUT)
    bulk = made.headers["Location"].split("?")[0]
    act(api, f"/act{bulk}/abort", **WITHOUT)
    act(api, f"/act/orders/{order}/cancel", **WITHOUT)
    act(api, "/act/queue/rate", per_second="2", **WITHOUT)
    act(api, "/act/queue/pause", **WITHOUT)
    act(api, "/act/circuit/force-closed", **WITHOUT)
    return [
        "/",
        "/audit",
        "/act/queue/rate",
        "/act/queue/pause",
        "/act/circuit/auto",
        bulk,
        f"/orders/{order}",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_says_unknown_or_leaves_a_title_without_its_name(
    api: ApiSite, paths: list[str], language: str
) -> None:
    for path in paths:
        answer = api.client.get(path, headers={"Accept-Language": language})
        assert answer.status_code == 200, path
        text = text_of(answer.text)
        assert "unknown" not in text.lower(), path
        assert " 님" not in text, path


def test_a_name_that_is_given_is_shown(api: ApiSite) -> None:
    act(api, "/act/queue/pause", actor=ANNA.actor)
    assert "anna paused the queue" in text_of(api.client.get("/").text)
