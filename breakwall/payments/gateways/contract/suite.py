"""The whole suite in one class."""

from breakwall.payments.gateways.contract.charging import ChargingContract
from breakwall.payments.gateways.contract.failing import FailingContract
from breakwall.payments.gateways.contract.preparing import CancellingContract, PreparingContract
from breakwall.payments.gateways.contract.processes import ProcessContract


class GatewayContract(
    ChargingContract, FailingContract, ProcessContract, PreparingContract, CancellingContract
):
    """What Breakwall needs of every gateway. Subclass it as ``TestYourGateway``, and override two things::

        class TestAcme(GatewayContract):
            @pytest.fixture
            def sandbox(self):
                return "http://127.0.0.1:9000"

            def make_gateway(self, url):
                return make_acme(GatewaySettings("acme", url=url))

    `subject.GatewaySubject` has more to override. What the profile does not promise is skipped. A failure says which
    promise of the protocol is broken.
    """
