"""`breakwall orders`: a file named after each command, and what several of them share. Import `orders_app`."""

import typer

from breakwall.cli.orders.bulk_retries import bulk_retries_app
from breakwall.cli.orders.cancel import cancel
from breakwall.cli.orders.import_ import import_orders
from breakwall.cli.orders.incidents import incidents
from breakwall.cli.orders.list_ import list_orders
from breakwall.cli.orders.place import place
from breakwall.cli.orders.reconcile import reconcile
from breakwall.cli.orders.resolve import resolve
from breakwall.cli.orders.retry import retry
from breakwall.cli.orders.show import show
from breakwall.cli.orders.suspect import suspect

__all__ = ["orders_app"]

orders_app = typer.Typer(
    no_args_is_help=True,
    help="Orders: place, import, show, list, retry, cancel, resolve, incidents, reconcile, suspect.",
)
orders_app.command("place", short_help="Accept one order: charge it now, or queue it.")(place)
orders_app.command("import", short_help="Queue the orders of a file or of stdin.")(import_orders)
orders_app.command("show", short_help="Show one order, its attempts, and what people did.")(show)
orders_app.command("list")(list_orders)
orders_app.command("retry", short_help="Retry orders: each is due at once.")(retry)
orders_app.add_typer(bulk_retries_app, name="bulk-retries")
orders_app.command("cancel", short_help="Cancel an order that is not paid.")(cancel)
orders_app.command("resolve", short_help="Finish an order with what you found out.")(resolve)
orders_app.command("incidents", short_help="List charges to check, or open or close one.")(incidents)
orders_app.command("reconcile", short_help="Compare a payment service's report with the orders.")(reconcile)
orders_app.command("suspect", short_help="After a restore: have all open orders looked up.")(suspect)
