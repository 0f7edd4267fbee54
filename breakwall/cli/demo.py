"""`breakwall demo` and `breakwall up`; the command line mounts them."""

from __future__ import annotations

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
    from breakwall.demo.plan import Plan, PlanError
    from breakwall.demo.run import run_demo

    try:
        plan = Plan(orders, rate, outage, seed)
    except PlanError as error:
        raise typer.BadParameter(str(error), param_hint=error.option) from None
    raise typer.Exit(run_demo(plan, as_json=output is Format.JSON))


def up(
    payment_port: Annotated[
        int, typer.Option(min=1, max=65_535, metavar="PORT", help="Port of the payment service.")
    ] = 8090,
    control_port: Annotated[
        int, typer.Option(min=1, max=65_535, metavar="PORT", help="Port to switch its faults on and off.")
    ] = 8091,
) -> None:
    """Run a whole site in this terminal until Ctrl-C: a payment service that fails on command, and a worker.

    It uses your settings, as every other command does. Where BREAKWALL_PAYMENT_URL names a payment
    service, that one is used and none is run.
    """
    from breakwall.settings import load_settings
    from breakwall.up.instructions import Ports
    from breakwall.up.run import run_up

    if payment_port == control_port:
        raise typer.BadParameter("should not be the payment service's own port", param_hint="--control-port")
    raise typer.Exit(run_up(load_settings(), Ports(payment_port, control_port)))
