"""`/v1/bulk-retries`, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
from httpx2 import Response

from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.time_limit import TimeLimit
from breakwall.payments.operator.bulk_retry.record import BulkRetries
from breakwall.payments.operator.bulk_retry.runner import MAX_WAIT, BulkRetryRunner
from breakwall.payments.operator.downgrade import downgrade
from tests.contract import bulk
from tests.contract.fleet import heartbeat
from tests.contract.people import dead, give_to_another_gateway, in_review, interventions_of
from tests.contract.web.api_site import ApiSite

PATH = "/v1/bulk-retries"
WANTED: dict[str, Any] = {
    "selection": {"statuses": ["dead"]},
    "reason": "key rotated",
    "actor": "anna",
    "name": "incident 7",
}


def post(api: ApiSite, path: str = PATH, key: str | None = None, **changes: Any) -> Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {**WANTED, **changes} if path == PATH else changes
    return api.client.post(path, json=body, headers=headers)


def work(api: ApiSite, made: Response) -> None:
    list(bulk.runner(api.site.database, api.site.clock).run(made.json()["id"]))


class TestMakingOne:
    def test_answers_201_with_where_it_is_and_retries_nothing_yet(self, api: ApiSite) -> None:
        dead(api.site, "a")
        made = post(api, rate=2.5, limit=7)
        assert made.status_code == 201
        assert made.headers["Location"] == f"{PATH}/{made.json()['id']}"
        assert api.client.get(made.headers["Location"]).json() == made.json()
        seen = {name: made.json()[name] for name in ("name", "actor", "reason", "rate", "limit", "state")}
        assert seen == {
            "name": "incident 7",
            "actor": "anna",
            "reason": "key rotated",
            "rate": 2.5,
            "limit": 7,
            "state": "collecting",
        }
        assert interventions_of(api.site, "a") == []

    def test_shows_its_progress_and_its_end(self, api: ApiSite) -> None:
        dead(api.site, "a", "b")
        in_review(api.site, "r")
        made = post(api)
        work(api, made)
        seen = api.client.get(made.headers["Location"]).json()
        assert (seen["state"], seen["eligible"], seen["retried"], seen["done"]) == ("finished", 2, 2, 2)
        assert (seen["skipped"], seen["seconds_left"]) == (1, 0.0)
        (done,) = interventions_of(api.site, "a")
        assert (done.run, done.actor) == (made.json()["id"], "anna")

    def test_says_for_which_gateway_no_worker_is_there(self, api: ApiSite) -> None:
        dead(api.site, "a", "b")
        give_to_another_gateway(api.site, "a")
        made = post(api)
        runner = BulkRetryRunner(api.site.database, clock=api.site.clock, gateway=DEFAULT)
        while runner.run_once() != MAX_WAIT:
            pass
        heartbeat(api.site, DEFAULT)
        seen = api.client.get(made.headers["Location"]).json()
        assert (seen["state"], seen["done"], seen["waits_for"]) == ("running", 1, "other")
        page = api.client.get(f"/bulk-retries/{made.json()['id']}", headers={"Accept-Language": "en"}).text
        assert "It waits for a worker with the gateway other" in page
        assert "It waits for a worker with the gateway other" in api.client.get("/").text

    def test_as_a_dry_run_answers_200_with_the_counts_and_changes_nothing(self, api: ApiSite) -> None:
        dead(api.site, "a")
        in_review(api.site, "r")
        seen = post(api, dry_run=True)
        assert (seen.status_code, seen.json()) == (
            200,
            {
                "dry_run": True,
                "eligible": 1,
                "looked_up_first": 0,
                "already_paid": 0,
                "skipped": {"review": 1},
                "to_be_resolved": 0,
            },
        )
        assert api.client.get(PATH).json() == []

    def test_says_null_for_what_would_take_too_long_to_count_and_retries_all_the_same(
        self, api: ApiSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dead(api.site, "a")
        monkeypatch.setattr(TimeLimit, "read", lambda *_: None)
        names = ("looked_up_first", "already_paid", "skipped", "to_be_resolved")
        seen = post(api, dry_run=True)
        assert seen.status_code == 200
        assert {seen.json()[name] for name in ("eligible", *names)} == {None}
        made = post(api)
        work(api, made)
        done = api.client.get(made.headers["Location"]).json()
        assert (done["state"], done["retried"]) == ("finished", 1)
        assert {done[name] for name in names} == {None}

    def test_under_the_same_key_gives_the_same_one_quoted_or_bare(self, api: ApiSite) -> None:
        first, second = post(api, key="k-1"), post(api, key='"k-1"')
        assert (second.status_code, second.json()) == (201, first.json())
        assert len(api.client.get(PATH).json()) == 1

    def test_under_the_key_of_another_one_is_refused(self, api: ApiSite) -> None:
        post(api, key="k-1")
        other = post(api, key="k-1", rate=1.0)
        assert (other.status_code, other.json()["type"]) == (422, "/problems/invalid-request")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"selection": {"statuses": []}},
            {"selection": {"statuses": ["paid"]}},
            {"selection": {"statuses": ["dead"], "currency": "XQQ"}},
            {"selection": {"statuses": ["dead"], "older_than": -1}},
            {"selection": {"statuses": ["dead"], "older_than": 1e300}},
            {"selection": {"statuses": ["dead"], "error_contains": "\x00"}},
            {"rate": 0},
            {"rate": 1e-13},
            {"limit": 0},
            {"limit": 2**40},
            {"reason": ""},
            {"reason": "\x1b[2J"},
            {"name": "\n"},
            {"unknown": 1},
        ],
    )
    def test_with_a_wrong_body_is_refused(self, api: ApiSite, wrong: dict[str, Any]) -> None:
        assert post(api, **wrong).status_code == 422
        assert api.client.get(PATH).json() == []

    def test_before_the_database_has_its_tables_says_what_to_run(self, api: ApiSite) -> None:
        downgrade(api.site.database.engine)
        refused = post(api)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "breakwall db upgrade" in refused.json()["detail"]


class TestAbortingOne:
    def test_ends_it_and_says_who_and_why(self, api: ApiSite) -> None:
        dead(api.site, "a")
        made = post(api)
        aborted = post(api, f"{made.headers['Location']}/abort", reason="wrong orders", actor="bert")
        assert aborted.status_code == 200
        seen = aborted.json()
        assert (seen["state"], seen["aborted_by"], seen["abort_reason"]) == (
            "aborted",
            "bert",
            "wrong orders",
        )
        assert BulkRetries(api.site.database).oldest_open() is None

    def test_needs_a_reason(self, api: ApiSite) -> None:
        made = post(api)
        assert post(api, f"{made.headers['Location']}/abort").status_code == 422

    def test_that_has_ended_is_refused(self, api: ApiSite) -> None:
        made = post(api)
        work(api, made)
        refused = post(api, f"{made.headers['Location']}/abort", reason="late")
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/refused")

    @pytest.mark.parametrize("bulk_id", ["0" * 32, "%00", "x"])
    def test_that_does_not_exist_is_not_found(self, api: ApiSite, bulk_id: str) -> None:
        assert post(api, f"{PATH}/{bulk_id}/abort", reason="x").status_code == 404
        assert api.client.get(f"{PATH}/{bulk_id}").status_code == 404


def test_the_list_has_the_newest_first(api: ApiSite) -> None:
    first = post(api).json()["id"]
    api.site.advance(1)
    second = post(api).json()["id"]
    assert [one["id"] for one in api.client.get(PATH).json()] == [second, first]
    assert [one["id"] for one in api.client.get(PATH, params={"limit": 1}).json()] == [second]
