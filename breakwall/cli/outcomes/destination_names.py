"""The names of destinations, as commands take them."""

from enum import StrEnum
from typing import Annotated

import typer


class DestinationName(StrEnum):
    WEBHOOK = "webhook"
    TASK = "task"
    LISTENER = "listener"


DestinationArgument = Annotated[DestinationName, typer.Argument(help="The destination.")]
DestinationOption = Annotated[
    DestinationName | None, typer.Option("--destination", help="Only deliveries to this destination.")
]
