"""A proxy on the loopback that fails on command, for the contract suite and for `breakwall rehearse`.

`proxy` stands in front of one service, or is the HTTP proxy of a gateway; then it cuts a tunnel without reading it.
`faults` names what it does, `ways` leads to the service, `passing` passes the bytes of one connection on.
"""

from breakwall.payments.gateways.fault_proxy.faults import Delivery, Fault
from breakwall.payments.gateways.fault_proxy.proxy import FaultProxy

__all__ = ["Delivery", "Fault", "FaultProxy"]
