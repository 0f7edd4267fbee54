"""`python -m tests.screenshots`: plays an outage, and takes the pictures of the page while it goes on and after it."""

from __future__ import annotations

import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.screenshots.outage import Outage
from tests.screenshots.small_png import small_png
from tests.servers import packages

FOLDER = Path(__file__).parents[2] / "docs" / "img"
MOST = 150_000  # Bytes of one picture.
RECOVERY = 90.0  # Seconds.


@dataclass(frozen=True)
class Picture:
    """One file. ``height``: of the part of the page that it shows, in pixels; None: all of it."""

    name: str
    width: int
    height: int | None
    language: str
    is_dark: bool


OUTAGE = (
    Picture("outage-1280-light-en", 1280, 1180, "en", is_dark=False),  # For the README.
    Picture("outage-1280-dark-ko", 1280, None, "ko", is_dark=True),
    Picture("outage-375-light-ko", 375, 1500, "ko", is_dark=False),
    Picture("outage-375-dark-en", 375, 1500, "en", is_dark=True),
)
ORDER = (
    Picture("order-1280-light-en", 1280, None, "en", is_dark=False),
    Picture("order-375-dark-ko", 375, 1500, "ko", is_dark=True),
)


def main() -> None:
    """About a minute and a half."""
    program = packages.program("chromium", "chromium")
    if program is None:
        raise SystemExit("Install Debian's package chromium: it takes the pictures.")
    _need_korean()
    with closing(Outage()) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        order = _play(site)
        for picture in OUTAGE:
            _take(browser, f"{site.address}/", picture)
        site.end()
        site.act("/v1/breakers/payment/probe", "the payment service answers again")
        site.wait_for(
            "the order is paid", lambda: site.ask(f"/v1/orders/{order}")["status"] == "paid", RECOVERY
        )
        for picture in ORDER:
            _take(browser, f"{site.address}/orders/{order}", picture)
        browser.close()


def _play(site: Outage) -> str:
    """Until the outage has lasted for a while; the first order that it met."""
    site.place(24, every=0.4)
    site.begin()
    waiting = site.place(10, every=0.2)
    site.act(f"/v1/orders/{waiting[-1]}/cancel", "the customer called")
    site.place(30, every=0.3)
    site.act("/v1/breakers/payment/probe", "the provider says that it is back")
    site.place(16, every=0.5)  # The next probe has not come yet.
    return waiting[0]


def _take(browser: Browser, address: str, picture: Picture) -> None:
    scheme: Any = "dark" if picture.is_dark else "light"
    viewport: Any = {"width": picture.width, "height": picture.height or 800}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, locale=picture.language)
    page = context.new_page()
    page.goto(address)
    if page.locator("#chart").count():
        page.locator("#chart canvas").nth(2).wait_for()
    time.sleep(0.3)  # The fonts of the chart.
    png = small_png(browser, page.screenshot(full_page=picture.height is None))
    context.close()
    file = FOLDER / f"{picture.name}.png"
    file.write_bytes(png)
    print(f"{file.relative_to(Path.cwd())}: {len(png):,} bytes")
    if len(png) > MOST:
        raise SystemExit(f"That is more than {MOST:,} bytes: show less of the page.")


def _need_korean() -> None:
    """A font with Korean letters, from Debian's package without installing it if there is none."""
    if subprocess.run(["fc-list", ":lang=ko", "family"], capture_output=True, check=False).stdout.strip():
        return
    fonts = Path.home() / ".fonts"
    fonts.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        packages.run(
            ["sh", "-c", f"cd {folder} && apt-get download fonts-nanum && dpkg -x *.deb ."], timeout=120
        )
        for name in ("NanumGothic.ttf", "NanumGothicBold.ttf"):
            found = next(Path(folder).rglob(name))
            (fonts / name).write_bytes(found.read_bytes())


main()
