"""`breakwall demo`."""

from typing import Annotated

import typer

from breakwall.terminal.options import Format, OutputOption


def demo(
    orders: Annotated[
        int, typer.Option(min=1, max=20_000, metavar="N", help="How many orders are placed.")
    ] = 480,
    rate: Annotated[
        float, typer.Option(min=2, max=100, metavar="R", help="How many of them a second.")
    ] = 20.0,
    outage: Annotated[
        float,
        typer.Option(min=3, max=300, metavar="S", help="Seconds for which the payment service is down."),
    ] = 12.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same orders.")] = 1,
    output: OutputOption = Format.TEXT,
) -> None:
    """Watch how an outage of the payment service is survived, in under a minute.

    It runs real processes in a temporary folder. The payment service is killed and started again; then every
    accepted order is compared with that service's ledger. Exits with 1 if an order was lost or charged twice.
    """
    from breakwall.demo.options import DemoOptions
    from breakwall.demo.run import run_demo

    try:
        options = DemoOptions(orders, rate, outage, seed)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--orders") from None
    raise typer.Exit(run_demo(options, as_json=output is Format.JSON))
