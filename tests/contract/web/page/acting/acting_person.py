"""A person with a browser who fills in the form of an action."""

from __future__ import annotations

import re
from html import unescape

import httpx2

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token
from breakwall.web.page.acting.kept_form import AGAIN
from tests.contract.people import ANNA
from tests.contract.web.api_site import ApiSite

OURS = {"Sec-Fetch-Site": "same-origin"}  # Browsers say so of a page's own forms.
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def links_in(html: str) -> list[str]:
    """The addresses of the actions that a page leads to."""
    return [unescape(address) for address in re.findall(r'<a class="action"[^>]* href="([^"]+)"', html)]


def hidden_in(html: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in _HIDDEN.findall(html)}


def open_form(api: ApiSite, address: str) -> httpx2.Response:
    return api.client.get(address, follow_redirects=False)


def send_form(api: ApiSite, address: str, seen: str, **typed: str) -> httpx2.Response:
    """Send the form of a page that was seen. A refusal is on a page of its own, with what was typed."""
    data = {**hidden_in(seen), **typed}
    sent = api.client.post(address, data=data, headers=OURS, follow_redirects=False)
    return open_form(api, sent.headers["Location"]) if is_refused(sent) else sent


def is_refused(sent: httpx2.Response) -> bool:
    """Whether a form that was sent leads to itself again."""
    return f"?{AGAIN}=" in sent.headers.get("Location", "")


def act(api: ApiSite, address: str, **typed: str) -> httpx2.Response:
    """Open the form and send it."""
    seen = open_form(api, address)
    assert seen.status_code == 200, seen.text
    given = {"reason": "maintenance", "actor": "kim", **typed}
    return send_form(api, address, seen.text, **given)


def sign_in(api: ApiSite, *scopes: Scope, name: str = "minjun") -> None:
    """From now on the client sends a token with these scopes."""
    token = create_token(api.services.database, name, frozenset(scopes), ANNA)
    api.client.headers["Authorization"] = f"Bearer {token}"
