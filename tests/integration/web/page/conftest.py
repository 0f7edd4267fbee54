"""A server with the page, and a browser: Debian's chromium, installed if it is missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.integration.web.page.page_site import PageSite
from tests.servers import packages

# Without the last ones it asks its maker's hosts.
OPTIONS = [
    "--no-sandbox",  # Tests may run as root.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Milliseconds that a page may take to show what is expected: a busy machine is slow.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = packages.program("chromium", "chromium")
    if program is None:
        pytest.skip("there is no chromium, and it cannot be installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageSite]:
    started = PageSite(tmp_path_factory.mktemp("page"))
    yield started
    started.close()
