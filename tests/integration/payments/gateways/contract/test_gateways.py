"""Our own gateways keep the contract of gateways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from breakwall.payments.gateways import ChargeRequest, GatewayProfile
from breakwall.payments.gateways.contract import GatewayContract
from breakwall.payments.gateways.http import HttpGateway
from breakwall.simulator.client import SimulatorControl
from breakwall.simulator.server import Simulator
from tests.foreign.services import ForeignService, running

PLAIN = GatewayProfile(deduplicates=False, key_life=86_400, looks_up=True, absent_after=30)
KEYED = replace(PLAIN, deduplicates=True)
FAULT_TIMEOUT = 0.5  # These services answer in milliseconds, and a hundred tests wait for it.


class OverSimulator(GatewayContract):
    """``keeps_keys``: whether the simulator deduplicates."""

    fault_timeout = FAULT_TIMEOUT
    keeps_keys = True
    profile = KEYED
    secrets = ("s3cr3t-t0ken",)

    @pytest.fixture
    def simulator(self, tmp_path: Path) -> Iterator[Simulator]:
        simulator = Simulator(
            host="127.0.0.1",
            port=0,
            control_port=0,
            charge_book=tmp_path / "charges.db",
            deduplicate=self.keeps_keys,
        )
        self.control = SimulatorControl(simulator.control_url)
        yield simulator
        simulator.close()

    @pytest.fixture
    def sandbox(self, simulator: Simulator) -> str:
        return simulator.url

    def make_gateway(self, url: str) -> HttpGateway:
        return HttpGateway(url, profile=self.profile, token=lambda: "s3cr3t-t0ken")

    def declined_request(self) -> ChargeRequest:
        self.control.set_faults(decline_rate=1)
        return self.charge_request()

    def charges_made(self, request: ChargeRequest) -> int:
        return sum(row["order_id"] == request.order_id for row in self.control.ledger())


class TestOverTheSimulator(OverSimulator):
    pass


class TestOverASimulatorWithoutKeys(OverSimulator):
    keeps_keys = False
    profile = PLAIN


class TestOverAForeignService(GatewayContract):
    """FastAPI under uvicorn."""

    fault_timeout = FAULT_TIMEOUT

    @pytest.fixture
    def sandbox(self) -> Iterator[str]:
        self.service = ForeignService(deduplicates=True, names=("order_id", "amount", "currency"))
        with running(self.service):
            yield self.service.url

    def make_gateway(self, url: str) -> HttpGateway:
        return HttpGateway(url, profile=KEYED)

    def charges_made(self, request: ChargeRequest) -> int:
        return sum(charge.body["order_id"] == request.order_id for charge in self.service.charges)
