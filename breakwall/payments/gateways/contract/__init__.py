"""The contract of a gateway as a pytest suite, for the author of any gateway: subclass `GatewayContract`.

A `FaultProxy` fails on command between the gateway and a sandbox of its service; `subject` has what the author fills
in; the other modules have the tests, by topic. Only this folder needs pytest.
"""

from breakwall.payments.gateways.contract.suite import GatewayContract
from breakwall.payments.gateways.fault_proxy import Fault, FaultProxy

__all__ = ["Fault", "FaultProxy", "GatewayContract"]
