"""An API without tokens, and people who give no name: the page calls nobody unknown."""

from __future__ import annotations

import httpx2
import pytest

from breakwall.web.page.words import LANGUAGES
from tests.contract.people import ANNA, dead, in_review
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import act, text_of


def done(api: ApiSite, address: str, **typed: str) -> httpx2.Response:
    """What a person does who leaves the name out."""
    answer = act(api, address, actor="", **typed)
    assert answer.status_code == 303, answer.text
    return answer


@pytest.fixture
def paths(api: ApiSite) -> list[str]:
    """The pages about everything that a person can do, done by one without a name."""
    [order] = dead(api.site, "a")
    made = done(api, "/act/orders/retry-all?status=dead&step=counted")
    bulk = made.headers["Location"].split("?")[0]
    done(api, f"/act{bulk}/abort")
    done(api, f"/act/orders/{order}/cancel")
    resolved, paid = in_review(api.site, "r"), in_review(api.site, "q")
    done(api, f"/act/orders/{resolved}/not-charged")
    done(api, f"/act/orders/{paid}/paid", charge_id="ch_7")
    done(api, "/act/queue/rate", per_second="2")
    done(api, "/act/queue/pause")
    done(api, "/act/circuit/force-closed")
    return [
        "/",
        "/audit",
        "/act/queue/rate",
        "/act/queue/pause",
        "/act/circuit/auto",
        bulk,
        *(f"/orders/{one}" for one in (order, resolved, paid)),
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
