"""How a gateway lives in a process: threads, forks, its end."""

from __future__ import annotations

import os
import signal
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from breakwall.payments.gateways.base import Outcome
from breakwall.payments.gateways.contract.subject import GatewaySubject, promise
from breakwall.payments.gateways.fault_proxy import FaultProxy
from breakwall.payments.gateways.foreign import guarded
from breakwall.payments.gateways.protocol_problems import UnusableGatewayError, check_protocol

THREADS = 8
CHARGES = 24


class ProcessContract(GatewaySubject):
    def test_it_has_the_methods_that_its_profile_promises(self, gateway: Any) -> None:
        try:
            check_protocol(gateway)
        except UnusableGatewayError as error:
            promise(False, "a gateway has its protocol's methods, and a profile that fits them", str(error))

    def test_it_closes_twice(self, gateway: Any) -> None:
        self.paid(gateway, self.charge_request())
        for _ in range(2):
            try:
                gateway.close()
            except Exception as error:
                promise(False, "close may be called twice, and raises nothing", error)

    def test_threads_do_not_mix_their_answers_up(self, gateway: Any) -> None:
        requests = [self.charge_request() for _ in range(CHARGES)]
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(lambda request: self.paid(gateway, request), requests))
        ids = {answer.charge_id for answer in answers}
        promise(len(ids) == CHARGES, "a gateway is shared by threads: each order gets its own charge", ids)
        named = {answer.details.order_id for answer in answers} - {None}
        known = {request.order_id for request in requests}
        promise(named <= known, "details.order_id is the order's own", named - known)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
    def test_a_forked_child_charges_by_its_own(self, proxy: FaultProxy) -> None:
        gateway = guarded("contract", lambda: self.make_gateway(proxy.url))
        self.paid(gateway, self.charge_request())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a fork beside threads
            child = os.fork()
        if child == 0:
            self._charge_and_exit(gateway)
        for _ in range(5):
            self.paid(gateway, self.charge_request())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        promise(code == 0, "a gateway that is made in a forked child charges there", f"exit code {code}")
        self.paid(gateway, self.charge_request())
        gateway.close()

    def _charge_and_exit(self, gateway: Any) -> None:
        """In the child: nothing of the test run may be used or ended."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        code = 1
        try:
            answers = [self.charge(gateway, self.charge_request()) for _ in range(5)]
            ids = {answer.charge_id for answer in answers if answer.outcome is Outcome.SUCCEEDED}
            code = 0 if len(ids) == len(answers) else 2
        finally:
            os._exit(code)
