"""The control port: ``/faults``, ``/ledger``, ``/stats`` and ``/healthz``; it answers while the service is down."""

import json
from itertools import islice
from urllib.parse import urlsplit

from breakwall.simulator.faults import FaultError
from breakwall.simulator.protocol import BadRequestError, JsonHandler


class ControlHandler(JsonHandler):
    """One connection to the control port."""

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        match urlsplit(self.path).path:
            case "/faults":
                self.answer(200, self.simulator.faults.as_json())
            case "/stats":
                self.answer(200, self.simulator.stats())
            case "/healthz":
                down, url = self.simulator.faults.down, self.simulator.url
                self.answer(200, {"status": "ok", "down": down, "url": url})
            case "/ledger":
                self._send_charges()
            case _:
                self.answer(404, {"error": "there are /faults, /ledger, /stats and /healthz"})

    def do_PUT(self) -> None:  # noqa: N802 - http.server's name
        """Replace all faults; those not named are switched off."""
        self._change(replace=True)

    def do_PATCH(self) -> None:  # noqa: N802 - http.server's name
        self._change(replace=False)

    def _change(self, *, replace: bool) -> None:
        try:
            if urlsplit(self.path).path != "/faults":
                raise self.unread(404, "faults are changed at /faults")
            faults = self.simulator.change(self.read_json(), replace=replace)
        except BadRequestError as error:
            self.answer(error.status, {"error": str(error)})
        except FaultError as error:
            self.answer(400, {"error": str(error), "field": error.field})
        except OSError as error:
            problem = f"the service cannot come up again: {error.strerror}"
            self.answer(409, {"error": problem, "field": "down"})
        else:
            self.answer(200, faults.as_json())

    def _send_charges(self) -> None:
        self.close_connection = True  # the end of the connection is the end of the list
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
        )
        charges = self.simulator.charge_book.charges()
        while chunk := list(islice(charges, 1000)):
            self.wfile.write("".join(f"{json.dumps(charge.as_json())}\n" for charge in chunk).encode())
