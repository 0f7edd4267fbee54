"""The page's files: small, unchanged, and kept by a browser for good."""

from __future__ import annotations

import hashlib
import re

import pytest

from breakwall.web.page.assets import STATIC, assets
from tests.contract.web.api_site import ApiSite

VENDORED = STATIC / "vendor"
LISTED = re.findall(r"\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|", (VENDORED / "VENDORED.md").read_text())


def test_the_overview_with_all_that_it_loads_is_below_150_kilobytes(api: ApiSite) -> None:
    html = api.client.get("/?lang=ko").text
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', html)
    sizes = [len(api.client.get(address).content) for address in loaded]
    assert len(loaded) == 7
    assert len(html.encode()) + sum(sizes) < 150_000


@pytest.mark.parametrize(("name", "digest"), LISTED)
def test_a_file_of_others_is_as_they_made_it(name: str, digest: str) -> None:
    assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == digest


def test_each_file_of_others_is_listed_and_has_its_licence() -> None:
    files = {path.relative_to(VENDORED).as_posix() for path in VENDORED.glob("*/*.*")}
    assert files == {name for name, _ in LISTED}
    assert all((path / "LICENSE").exists() for path in VENDORED.iterdir() if path.is_dir())


def test_an_address_with_the_hash_is_kept_for_good(api: ApiSite) -> None:
    response = api.client.get(assets()["page.css"].address)
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Content-Type"] == "text/css; charset=utf-8"


def test_an_address_without_it_is_asked_for_again(api: ApiSite) -> None:
    response = api.client.get("/static/page.css")
    tag = response.headers["ETag"]
    assert response.headers["Cache-Control"] == "no-cache"
    again = api.client.get("/static/page.css", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name",
    ["nothing.css", "0000000000000000/page.css", "../page/words.py", "%2e%2e/app.py", "vendor/VENDORED.md"],
)
def test_nothing_else_is_served(api: ApiSite, name: str) -> None:
    assert api.client.get(f"/static/{name}").status_code == 404


def test_there_is_an_icon_where_browsers_ask(api: ApiSite) -> None:
    assert api.client.get("/favicon.ico").headers["Content-Type"].startswith("image/svg+xml")
