"""Starts localstripe, and asks it directly, as the Dashboard would show it."""

import base64
import json
import subprocess
import sys
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

SECRET_KEY = "sk_test_s3cretS3cret"


class LocalStripe:
    """A running localstripe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stripe.localstripe_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def ask(self, method: str, path: str, **parameters: str) -> dict[str, Any]:
        """One request past the proxy."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        authorization = base64.b64encode(f"{SECRET_KEY}:".encode()).decode()
        headers = {"Authorization": f"Basic {authorization}"}
        if parameters:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(parameters), headers)
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def card(self, number: str) -> str:
        """A payment method for a card number of Stripe's tests."""
        card = {"card[exp_month]": "12", "card[exp_year]": "2030", "card[cvc]": "123"}
        return str(
            self.ask("POST", "/v1/payment_methods", type="card", **{"card[number]": number}, **card)["id"]
        )

    def direct_debit(self) -> str:
        """A payment method whose charges are declined after half a second."""
        iban = {"sepa_debit[iban]": "DE62370400440532013001"}
        return str(self.ask("POST", "/v1/payment_methods", type="sepa_debit", **iban)["id"])

    def send_events(self, url: str, secret: str) -> None:
        """Deliver each event to an endpoint from now on, signed with its secret."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"}
        chosen = json.dumps({"url": url, "secret": secret})
        connection.request("POST", "/_config/webhooks/one", chosen, headers)
        assert connection.getresponse().status == 200
        connection.close()

    def forget(self) -> None:
        """Forget all intents and charges."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("DELETE", "/_config/data")
        connection.getresponse().read()
        connection.close()

    def intent(self, intent: str) -> dict[str, Any]:
        return self.ask("GET", f"/v1/payment_intents/{intent}")

    def charges(self) -> list[dict[str, Any]]:
        """All charges that succeeded, the newest first; at most a hundred."""
        found: list[dict[str, Any]] = self.ask("GET", "/v1/charges?limit=100")["data"]
        return [charge for charge in found if charge["status"] == "succeeded"]
