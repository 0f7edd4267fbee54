"""A customer of a shop: fills in its form and reads its pages."""

import html
import re

import httpx2


class Customer:
    """Orders at the shop that ``client`` reaches."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client

    def form(self, **changes: str) -> dict[str, str]:
        """The shop's form, filled in."""
        fields = self._fields(self.client.get("/").text)
        return {**fields, "customer": "Ann", "payment_method": "pm_test", "note": "", **changes}

    def send(self, form: dict[str, str]) -> httpx2.Response:
        """The shop's own answer to the form, without the page that it leads to."""
        return self.client.post("/orders", data=form)

    def send_again(self, page: httpx2.Response) -> httpx2.Response:
        """Press the one button of a page that asks for that."""
        return self.send(self._fields(page.text))

    def order(self, **changes: str) -> str:
        """Order once; returns the path of the order's page."""
        answer = self.send(self.form(**changes))
        assert answer.status_code in {302, 303}, answer.text
        return str(answer.headers["Location"])

    def waits_for(self, headline: str, path: str) -> bool:
        """Whether an order's page says that, once it has reloaded itself as it wants to."""
        reload = re.search(
            r'http-equiv="refresh" content="\d+(?:; url=([^"]*))?"', self.client.get(path).text
        )
        return self.reads(f"{path}{(reload and reload[1]) or ''}") == headline

    def reads(self, path: str) -> str:
        """The headline of a page."""
        found = re.search(r"<h1>(.*?)</h1>", self.client.get(path).text)
        assert found is not None
        return html.unescape(found[1])

    def _fields(self, text: str) -> dict[str, str]:
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text)
        return {name: html.unescape(value) for name, value in hidden}


def number_in(path: str) -> str:
    """The order's number in the path of its page."""
    return path.split("/")[2]


PAID = "Thank you. Your order is paid."
IN_A_MOMENT = "Thank you. We will charge you in a moment."
DECLINED = "Your card was declined."
CANCELLED = "Your order was cancelled."
NOT_CHARGED = "We could not charge your card."
IN_REVIEW = "We are checking your payment."
NO_SUCH_PAGE = "There is no such page."
CHANGE_YOUR_ORDER = "Please change your order."
NOT_CONFIRMED = "We could not confirm your order."
