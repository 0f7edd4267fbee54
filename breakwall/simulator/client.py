"""The client of a running simulator's control port."""

import json
import urllib.error
import urllib.request
from typing import Any


class SimulatorError(Exception):
    """The simulator refused, and the text is its own; or it could not be reached."""


class SimulatorControl:
    """The faults, the charge book and the statistics of the simulator whose control port is at ``url``."""

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        # No proxy of the environment between two processes of one machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def faults(self) -> dict[str, Any]:
        return self._object("GET", "/faults")

    def set_faults(self, **changes: object) -> dict[str, Any]:
        """Change the named faults, as in ``set_faults(down=True, latency=[0.1, 0.5])``; returns all faults.

        `SimulatorError` if a fault is unknown or its value invalid; then nothing is changed.
        """
        return self._object("PATCH", "/faults", changes)

    def clear_faults(self) -> None:
        self._object("PUT", "/faults", {})

    def stats(self) -> dict[str, Any]:
        """``requests, charges, declines, distinct_orders, double_charges, charges_per_second, running, injected``.

        ``injected`` counts each fault.
        """
        return self._object("GET", "/stats")

    def ledger(self) -> list[dict[str, Any]]:
        """Every charge and decline, oldest first, with the fields of `charge_book.Charge`."""
        return [json.loads(line) for line in self._ask("GET", "/ledger", None).splitlines()]

    def healthy(self) -> bool:
        """Whether the simulator answers; its service may still be down on purpose."""
        try:
            return bool(self._object("GET", "/healthz")["status"] == "ok")
        except SimulatorError:
            return False

    def _object(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._ask(method, path, body))
        return document

    def _ask(self, method: str, path: str, body: object) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the address of our own simulator
            self._url + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise SimulatorError(_message(error.read(), error.code)) from None
        except OSError as error:
            raise SimulatorError(f"no simulator answers at {self._url}: {error}") from None


def _message(body: bytes, status: int) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}"
