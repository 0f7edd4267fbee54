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
        float, typer.Option(min=3, max=300, metavar="S", help="Seconds that the payment service is dead.")
    ] = 12.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same orders.")] = 1,
    output: OutputOption = Format.TEXT,
) -> None:
    """Watch an outage of the payment service being survived, in under a minute.

    Real processes in a temporary folder: the payment service is killed, comes back, and every accepted order
    is compared with its ledger. Exits with 1 unless nothing was lost and nothing was charged twice.
    """
    from breakwall.demo.options import DemoOptions
    from breakwall.demo.run import run_demo

    try:
        options = DemoOptions(orders, rate, outage, seed)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--orders") from None
    raise typer.Exit(run_demo(options, as_json=output is Format.JSON))
