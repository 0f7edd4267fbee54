"""What every part of the ledger uses: the database, its clock, the lease, the account and the site."""

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT
from breakwall.payments.site import read_site


class LedgerBase:
    """The ledger of one site. Keeps no state except the site's name; safe for threads.

    Every method raises `DatabaseUnavailableError` when the database does not answer. A ``lock_budget`` limits how long
    a method waits for locks, see `Database.write`.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease: float,  # Seconds that a claim holds, anew from each attempt's start: longer than the whole call.
        clock: Clock = DATABASE_CLOCK,
        account: str = DEFAULT_ACCOUNT,  # The payment account that charges are made on.
        send_caller_keys: bool = False,  # Instead of derived keys.
        gateway: str = "http",  # The name of the gateway that charges.
    ) -> None:
        self.database = database
        self.lease = lease
        self.clock = clock
        self.account = account
        self.send_caller_keys = send_caller_keys
        self.gateway = gateway
        self._site_read: tuple[object, str] | None = None

    @property
    def site(self) -> str:
        return self.read_site()

    def read_site(self, lock_budget: LockBudget | None = None) -> str:
        """The site's name: read once, and again after SQLite's file was replaced by another."""
        read = self._site_read
        if read is None or read[0] is not self.database.prepared:
            name = read_site(self.database, lock_budget)  # The first use of a database prepares it.
            read = self._site_read = (self.database.prepared, name)
        return read[1]
