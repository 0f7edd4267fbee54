"""The ledger: every change of an order's state on its way from accepted to finished."""

from breakwall.payments.ledger.accept import Accepting
from breakwall.payments.ledger.batch_claiming import BatchClaiming
from breakwall.payments.ledger.claiming import Claiming
from breakwall.payments.ledger.record import Recording


class Ledger(Accepting, Claiming, BatchClaiming, Recording):
    """Accepts orders, claims them and records the results; each method is one short transaction.

    Claiming an order raises its fence. The holder of the newest fence may write until the lease expires. An attempt
    is a row before it is a request. A result under an old fence changes nothing, except that proof of a payment
    always counts.

    Transactions lock in one sequence, so that no two wait for each other: the charge, the order, its attempts.
    """
