"""`breakwall up`."""

from typing import Annotated

import typer


def up(
    payment_port: Annotated[
        int, typer.Option(min=1, max=65_535, metavar="PORT", help="Port of the payment service.")
    ] = 8090,
    control_port: Annotated[
        int, typer.Option(min=1, max=65_535, metavar="PORT", help="Port for switching its faults on and off.")
    ] = 8091,
    api_port: Annotated[
        int,
        typer.Option(min=1, max=65_535, metavar="PORT", help="Port of the API and the operator's page."),
    ] = 8080,
) -> None:
    """Run a whole site in this terminal until Ctrl-C: a payment service that fails on command, a worker, and the page.

    It uses your settings, as every command does. If BREAKWALL_PAYMENT_URL names a payment service, it uses that one
    and starts none. If one of its programs ends, all end, with exit code 1.
    """
    from breakwall.settings import load_settings
    from breakwall.up.instructions import Ports
    from breakwall.up.run import run_up

    if payment_port == control_port:
        raise typer.BadParameter("should be another port than --payment-port", param_hint="--control-port")
    if api_port in {payment_port, control_port}:
        raise typer.BadParameter("should be a port of its own", param_hint="--api-port")
    raise typer.Exit(run_up(load_settings(), Ports(payment_port, control_port), api_port))
