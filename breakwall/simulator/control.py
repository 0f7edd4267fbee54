"""The control port: ``/faults``, ``/ledger``, ``/stats`` and ``/healthz``.

Apart from the service port, so that they answer while the service is down.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from breakwall.simulator.faults import FaultError
from breakwall.simulator.protocol import BadRequestError, JsonHandler


class ControlHandler(JsonHandler):
    """One connection of whoever steers the simulator."""

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        match urlsplit(self.path).path:
            case "/faults":
                self.answer(200, self.simulator.faults.as_json())
            case "/stats":
                self.answer(200, self.simulator.stats())
            case "/healthz":
                self.answer(
                    200, {"status": "ok", "down": self.simulator.faults.down, "url": self.simulator.url}
                )
            case "/ledger":
                self._send_ledger()
            case _:
                self.answer(404, {"error": "there are /faults, /ledger, /stats and /healthz"})

    def do_PUT(self) -> None:  # noqa: N802 - http.server's name
        """Replace all faults: what is not named does not go wrong any more."""
        self._change(from_none=True)

    def do_PATCH(self) -> None:  # noqa: N802 - http.server's name
        """Change the named faults only."""
        self._change(from_none=False)

    def _change(self, *, from_none: bool) -> None:
        try:
            if urlsplit(self.path).path != "/faults":
                raise self.unread(404, "faults are changed at /faults")
            faults = self.simulator.change(self.read_json(), from_none=from_none)
        except BadRequestError as error:
            self.answer(error.status, {"error": str(error)})
        except FaultError as error:
            self.answer(400, {"error": str(error), "field": error.field})
        except OSError as error:
            self.answer(
                409, {"error": f"the service cannot come up again: {error.strerror}", "field": "down"}
            )
        else:
            self.answer(200, faults.as_json())

    def _send_ledger(self) -> None:
        self.close_connection = True  # the end of the connection is the end of the list
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
        )
        lines: list[str] = []
        for charge in self.simulator.ledger.charges():
            lines.append(json.dumps(charge.as_json()))
            if len(lines) == 1000:
                self._send_lines(lines)
        self._send_lines(lines)

    def _send_lines(self, lines: list[str]) -> None:
        self.wfile.write("".join(f"{line}\n" for line in lines).encode())
        lines.clear()
